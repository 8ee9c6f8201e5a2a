package ledger

import (
	"slices"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// appendRecords appends records as a JSON array of objects whose members are
// the columns of ledger_records. What is empty is left out.
func appendRecords(dst []byte, records []Record) []byte {
	dst = append(dst, '[')
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRecord(dst, &records[i])
	}
	return append(dst, ']')
}

// appendRecord appends one record. By hand, as it is what a request pays for
// the ledger.
func appendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, `{"at":`...)
	dst = strconv.AppendInt(dst, r.Time.UnixMicro(), 10)
	dst = appendText(dst, `,"request_id":`, r.RequestID)
	dst = appendText(dst, `,"upstream_id":`, r.UpstreamID)
	dst = appendText(dst, `,"principal":`, r.Principal)
	dst = appendText(dst, `,"tenant":`, r.Tenant)
	dst = appendText(dst, `,"route":`, r.Route)
	dst = appendText(dst, `,"provider":`, r.Provider)
	dst = appendText(dst, `,"model":`, r.Model)
	dst = appendText(dst, `,"upstream":`, r.Upstream)
	if r.Op != 0 {
		dst = appendText(dst, `,"op":`, r.Op.String())
	}
	if r.Dialect != 0 {
		dst = appendText(dst, `,"dialect":`, r.Dialect.String())
	}
	if r.UpstreamDialect != 0 {
		dst = appendText(dst, `,"upstream_dialect":`, r.UpstreamDialect.String())
	}
	if r.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	dst = appendCount(dst, `,"attempt":`, int64(r.Attempt))
	dst = appendText(dst, `,"outcome":`, r.Outcome)
	dst = appendText(dst, `,"kind":`, r.Kind)
	dst = appendUsage(dst, r)
	dst = appendMillis(dst, `,"answered_ms":`, r.Answered)
	dst = appendMillis(dst, `,"first_token_ms":`, r.FirstToken)
	dst = appendMillis(dst, `,"took_ms":`, r.Took)
	dst = appendText(dst, `,"cache":`, r.Cache)
	dst = appendPairs(dst, `,"labels":`, r.Labels)
	dst = appendPairs(dst, `,"tags":`, r.Tags)
	return append(dst, '}')
}

func appendUsage(dst []byte, r *Record) []byte {
	u := &r.Usage
	dst = appendText(dst, `,"usage_source":`, u.Source.String())
	dst = appendCount(dst, `,"input":`, u.Input)
	dst = appendCount(dst, `,"cached_input":`, u.CachedInput)
	dst = appendCount(dst, `,"cache_write":`, u.CacheWrite)
	dst = appendCount(dst, `,"cache_write_1h":`, u.CacheWrite1h)
	dst = appendCount(dst, `,"output":`, u.Output)
	dst = appendCount(dst, `,"reasoning":`, u.Reasoning)
	dst = appendCount(dst, `,"cost":`, int64(r.Cost))
	dst = appendText(dst, `,"price":`, r.Price)
	if r.Unpriced {
		dst = append(dst, `,"unpriced":true`...)
	}
	return dst
}

func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return jsonedit.AppendString(append(dst, name...), clip(s, maxName))
}

func appendCount(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

// appendMillis writes milliseconds with three decimals.
func appendMillis(dst []byte, name string, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	us := d.Microseconds()
	dst = strconv.AppendInt(append(dst, name...), us/1000, 10)
	if rest := us % 1000; rest > 0 {
		dst = append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return dst
}

// appendPairs writes the first pairs in the order of their names.
func appendPairs(dst []byte, name string, pairs map[string]string) []byte {
	if len(pairs) == 0 {
		return dst
	}
	var few [maxPairs]string
	names := few[:0]
	for k := range pairs {
		names = append(names, k)
	}
	slices.Sort(names)
	dst = append(append(dst, name...), '{')
	for i, k := range names[:min(len(names), maxPairs)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonedit.AppendString(dst, clip(k, maxName)), ':')
		dst = jsonedit.AppendString(dst, clip(pairs[k], maxValue))
	}
	return append(dst, '}')
}
