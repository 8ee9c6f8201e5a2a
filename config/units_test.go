package config

import (
	"encoding"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// textual is a unit that reads and prints itself.
type textual[T any] interface {
	*T
	encoding.TextUnmarshaler
}

// read parses s.
func read[T any, P textual[T]](s string) (T, error) {
	var v T
	err := P(&v).UnmarshalText([]byte(s))
	return v, err
}

func TestDuration(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want time.Duration
		out  string
	}{
		{"0", 0, "0s"}, {"0s", 0, "0s"}, {"250ms", 250 * time.Millisecond, "250ms"}, {"30s", 30 * time.Second, "30s"},
		{"120s", 2 * time.Minute, "2m"}, {"90m", 90 * time.Minute, "1h30m"}, {"60m", time.Hour, "1h"}, {"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"},
		{"90d", 90 * day, "90d"}, {"0d", 0, "0s"}, {"24h", day, "1d"}, {"36h", 36 * time.Hour, "36h"}, {"1.5s", 1500 * time.Millisecond, "1.5s"},
		{"106751d", 106751 * day, "106751d"}, {"10s", 10 * time.Second, "10s"}, {"10m", 10 * time.Minute, "10m"}, {"20h", 20 * time.Hour, "20h"},
	} {
		got, err := read[Duration](tc.in)
		if err != nil || got.Std() != tc.want || got.String() != tc.out {
			t.Errorf("%q = %v (%s), %v; want %v (%s)", tc.in, got.Std(), got, err, tc.want, tc.out)
		}
	}
	for _, in := range []string{"", "5", "-1s", "-5d", "1.5d", "d", "1 s", "ten", "106752d", "1w", "1e3s", "9999999999d"} {
		got, err := read[Duration](in)
		if err == nil {
			t.Errorf("%q = %v", in, got)
		} else if !strings.Contains(err.Error(), `"`+in+`"`) {
			t.Errorf("%q: %v does not say what it is about", in, err)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want int64
		out  string
	}{
		{"0", 0, "0"}, {"512", 512, "512"}, {"512B", 512, "512"}, {"64KiB", 64 << 10, "64KiB"}, {"16MiB", 16 << 20, "16MiB"}, {"16 MiB", 16 << 20, "16MiB"},
		{"2GiB", 2 << 30, "2GiB"}, {"1TiB", 1 << 40, "1TiB"}, {"1kB", 1000, "1kB"}, {"1KB", 1000, "1kB"}, {"5MB", 5e6, "5MB"}, {"1GB", 1e9, "1GB"},
		{"1024KiB", 1 << 20, "1MiB"}, {"9223372036854775807", math.MaxInt64, "9223372036854775807"}, {"3TB", 3e12, "3TB"}, {"1536KiB", 1536 << 10, "1536KiB"}, {"0B", 0, "0"},
	} {
		got, err := read[Size](tc.in)
		if err != nil || got.Bytes() != tc.want || got.String() != tc.out {
			t.Errorf("%q = %d (%s), %v; want %d (%s)", tc.in, got, got, err, tc.want, tc.out)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1.5MiB", "16mib", "16M", "1 0MiB", "9223372036854775808", "9007199254740992KiB", "0x10", "1_000", "+1"} {
		if got, err := read[Size](in); err == nil {
			t.Errorf("%q = %d", in, got)
		}
	}
}

func TestMoney(t *testing.T) {
	for in, want := range map[string]llm.Money{"0": 0, "5": 5 * llm.Dollar, "0.25": llm.Dollar / 4, "100.000000000001": 100*llm.Dollar + 1} {
		got, err := read[Money](in)
		if err != nil || got.Amount() != want || got.String() != in {
			t.Errorf("%q = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "-0.5", "1e3", "5$", "$5", ".5", "0.0000000000001", "99999999999"} {
		if got, err := read[Money](in); err == nil {
			t.Errorf("%q = %s", in, got)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		in, out string
		ratio   float64
	}{
		{"0%", "0%", 0}, {"2%", "2%", 0.02}, {"0.5%", "0.5%", 0.005}, {"100%", "100%", 1}, {"100.0000%", "100%", 1}, {"33.3333%", "33.3333%", 0.333333}, {"0.0001%", "0.0001%", 1e-6},
	} {
		got, err := read[Percent](tc.in)
		if err != nil || got.String() != tc.out || math.Abs(got.Ratio()-tc.ratio) > 1e-12 {
			t.Errorf("%q = %s (%v), %v; want %s (%v)", tc.in, got, got.Ratio(), err, tc.out, tc.ratio)
		}
		share, err := read[Share](tc.in)
		if err != nil || int64(share) != int64(got) || share.Ratio() != got.Ratio() {
			t.Errorf("share %q = %s, %v", tc.in, share, err)
		}
		bare, err := read[Share](strings.TrimSuffix(tc.in, "%"))
		if err != nil || bare != share || bare.String()+"%" != tc.out {
			t.Errorf("bare share %q = %s, %v", tc.in, bare, err)
		}
	}
	for _, in := range []string{"", "%", "-1%", "101%", "100.0001%", "0.00001%", "5.%", ".5%", "1e1%", "5 %", "5%%", "50%x"} {
		if got, err := read[Percent](in); err == nil {
			t.Errorf("%q = %s", in, got)
		}
	}
	// A bare number could be meant as a ratio.
	for _, in := range []string{"0.5", "1", "50"} {
		if got, err := read[Percent](in); err == nil || !strings.Contains(err.Error(), "%") {
			t.Errorf("%q = %s, %v", in, got, err)
		}
	}
}

func TestHedgeAfter(t *testing.T) {
	for in, want := range map[string]HedgeAfter{"p95": {Percentile: 95}, "p50": {Percentile: 50}, "800ms": {Delay: 800 * time.Millisecond}} {
		got, err := read[HedgeAfter](in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("%q = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "p", "p49", "p100", "p9x", "0s", "-1s", "95", "P95"} {
		if got, err := read[HedgeAfter](in); err == nil {
			t.Errorf("%q = %+v", in, got)
		}
	}
}

func TestUnknownPrice(t *testing.T) {
	for in, want := range map[string]UnknownPrice{
		"flag": {}, "deny": {Deny: true},
		"5":      {Priced: true, Input: 5 * llm.Dollar, Output: 5 * llm.Dollar},
		"0.5/15": {Priced: true, Input: llm.Dollar / 2, Output: 15 * llm.Dollar},
		"0":      {Priced: true},
	} {
		got, err := read[UnknownPrice](in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("%q = %+v (%s), %v", in, got, got, err)
		}
	}
	for _, in := range []string{"", "free", "-1", "3/", "/3", "3/15/2", "Deny"} {
		if got, err := read[UnknownPrice](in); err == nil {
			t.Errorf("%q = %+v", in, got)
		}
	}
}

func TestEnums(t *testing.T) {
	if got, err := read[LogLevel]("WARN"); err != nil || got != LogWarn {
		t.Errorf("levels are read in any case: %v, %v", got, err)
	}
	for name, err := range map[string]error{
		"strategy": errOf(read[Strategy]("random")), "gone": errOf(read[OnClientGone]("ignore")), "store": errOf(read[CacheStore]("disk")),
		"failure": errOf(read[RedisOnFailure]("")), "level": errOf(read[LogLevel]("trace")), "format": errOf(read[LogFormat]("xml")),
		"sampler": errOf(read[Sampler]("xray")), "event": errOf(read[WebhookEvent]("all")), "kind": errOf(read[Kind]("open-ai")),
	} {
		if err == nil || !strings.Contains(err.Error(), ", ") {
			t.Errorf("%s: %v does not list what there is", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// What a unit prints it reads back as the same.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"90d", "1h30m", "16MiB", "0.25", "33.3333%", "5", "p95", "3/15", "deny"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		again(t, s, read[Duration])
		again(t, s, read[Size])
		again(t, s, read[Money])
		again(t, s, read[Percent])
		again(t, s, read[Share])
		again(t, s, read[HedgeAfter])
		again(t, s, read[UnknownPrice])
		again(t, s, read[KeyHash])
	})
}

func again[T interface {
	comparable
	encoding.TextMarshaler
}](t *testing.T, s string, read func(string) (T, error)) {
	t.Helper()
	v, err := read(s)
	if err != nil {
		return
	}
	b, err := v.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if w, err := read(string(b)); err != nil || w != v {
		t.Fatalf("%T: %q prints as %q, which reads as %v, %v", v, s, b, w, err)
	}
}
