package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// otel applies the OTEL_* variables whose form is not that of a key.
func (l *loader) otel() {
	t := &l.config.Telemetry.Traces
	if base, ok := l.env.get("OTEL_EXPORTER_OTLP_ENDPOINT"); ok {
		if _, set := l.env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); !set {
			t.Endpoint = strings.TrimRight(base, "/") + "/v1/traces"
			l.probs.origins["telemetry.traces.endpoint"] = origin{env: "OTEL_EXPORTER_OTLP_ENDPOINT"}
		}
	}
	headers := l.special(EnvVar{Name: "OTEL_EXPORTER_OTLP_HEADERS", Secret: true})
	l.pairs(headers.Name, l.env.secret, func(k, v string) {
		if t.Headers == nil {
			t.Headers = map[string]Secret{}
		}
		t.Headers[k] = NewSecret(v)
	})
	l.pairs("OTEL_RESOURCE_ATTRIBUTES", l.env.get, func(k, v string) {
		if t.Resource == nil {
			t.Resource = map[string]string{}
		}
		t.Resource[k] = v
	})
	l.otelNumbers(t)
	off, _ := l.env.get("OTEL_SDK_DISABLED")
	exporter, _ := l.env.get("OTEL_TRACES_EXPORTER")
	if strings.EqualFold(off, "true") || exporter == "none" {
		t.Endpoint = ""
	}
}

// special returns the variable of the traces alone in place of the common one,
// when it is set.
func (l *loader) special(v EnvVar) EnvVar {
	if rest, ok := strings.CutPrefix(v.Name, allSignals); ok && !strings.HasPrefix(v.Name, tracesOnly) && rest != "ENDPOINT" {
		w := v
		w.Name = tracesOnly + rest
		if _, set := l.lookup(w); set {
			return w
		}
	}
	return v
}

func (l *loader) otelNumbers(t *Traces) {
	l.millis(l.special(EnvVar{Name: "OTEL_EXPORTER_OTLP_TIMEOUT"}).Name, &t.Timeout)
	l.millis("OTEL_BSP_SCHEDULE_DELAY", &t.Interval)
	if text, ok := l.env.get("OTEL_TRACES_SAMPLER_ARG"); ok {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f <= 1) {
			l.badVar("OTEL_TRACES_SAMPLER_ARG", fmt.Sprintf("%q is not a number from 0 to 1", text))
		} else {
			t.Ratio = Percent(f*hundredPercent + 0.5)
		}
	}
	// Refused rather than ignored would keep the gateway from starting where a
	// platform sets the variable for everything that it runs.
	protocol := l.special(EnvVar{Name: "OTEL_EXPORTER_OTLP_PROTOCOL"}).Name
	if text, ok := l.env.get(protocol); ok && text != "http/protobuf" && t.Endpoint != "" {
		l.warn("%s is %q; traces are sent by http/protobuf alone: point the endpoint at the collector's port for HTTP, mostly 4318", protocol, text)
	}
}

// millis reads a variable in milliseconds, above zero.
func (l *loader) millis(name string, into *Duration) {
	text, ok := l.env.get(name)
	if !ok {
		return
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		l.badVar(name, fmt.Sprintf("%q is not a number of milliseconds", text))
		return
	}
	*into = Duration(time.Duration(n) * ms)
}

// pairs reads a variable that holds name=value entries in the W3C baggage
// form: parted by commas, percent-encoded.
func (l *loader) pairs(name string, get func(string) (string, bool), set func(k, v string)) {
	text, ok := get(name)
	if !ok {
		return
	}
	for i, entry := range strings.Split(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		k, v, err := pair(entry)
		if err != nil {
			l.badVar(name, fmt.Sprintf("entry %d is not in the form name=value", i+1))
			continue
		}
		set(k, v)
	}
}

func pair(entry string) (k, v string, err error) {
	k, v, ok := strings.Cut(entry, "=")
	k = strings.TrimSpace(k)
	if !ok || k == "" {
		return "", "", errors.New("no name")
	}
	v, err = url.PathUnescape(strings.TrimSpace(v))
	return k, v, err
}
