package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llm-gateway/llm-gateway/pkg/client"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// output is the file of results: a line each, written whole by one write when
// its call has ended, so that the end of the process at any moment loses no
// result but one that was being written, which the next run notices and takes
// back.
type output struct {
	f    *os.File
	path string
	size int64 // of what is whole
	done map[int]record
	sum  tally // of what was there before
}

// record is what the file says of a request.
type record struct {
	hash string
	ok   bool
}

// openOutput opens the file or makes it, keeps other runs from it, and reads
// what it has. With retryFailed the failures in it are forgotten.
func openOutput(path, input string, retryFailed bool) (*output, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // as with the output of any command, the umask decides
	if err != nil {
		return nil, err
	}
	out := &output{f: f, path: path, done: map[int]record{}}
	if err = out.prepare(input, retryFailed); err != nil {
		out.f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func (o *output) prepare(input string, retryFailed bool) error {
	info, err := o.f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if in, err := os.Stat(input); err == nil && os.SameFile(in, info) {
		return errors.New("input and output are the same file")
	}
	if err := lockFile(o.f); err != nil {
		return fmt.Errorf("another run is writing to it: %w", err)
	}
	if now, err := os.Stat(o.path); err != nil || !os.SameFile(now, info) {
		return errors.New("another run has just replaced it")
	}
	if err := o.scan(func([]byte, record) error { return nil }); err != nil {
		return err
	}
	if retryFailed && o.sum.failed > 0 {
		return o.forgetFailures()
	}
	return o.repair()
}

// resultLine is what is read of a result.
type resultLine struct {
	Index *int   `json:"index"`
	Hash  string `json:"request_hash"`
	Code  int    `json:"code"`
	Data  *struct {
		Usage *client.Usage `json:"usage"`
		Cost  *client.Cost  `json:"cost"`
	} `json:"data"`
}

// scan reads the file's results and hands each on with its line.
func (o *output) scan(each func(line []byte, r record) error) error {
	if _, err := o.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	o.size, o.sum, o.done = 0, tally{}, map[int]record{}
	br := bufio.NewReaderSize(o.f, 64<<10)
	for number := 1; ; number++ {
		line, err := br.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		r, ok := parseResult(line)
		switch {
		case ok:
		case err == io.EOF && isTorn(line):
			return nil // repair takes it back
		default:
			return fmt.Errorf("line %d is not a result of this command; give another output file", number)
		}
		o.size += int64(len(line))
		if _, twice := o.done[*r.Index]; twice {
			return fmt.Errorf("line %d is a second answer to request %d", number, *r.Index)
		}
		rec := record{r.Hash, r.Code == 200}
		o.done[*r.Index] = rec
		o.sum.addRead(&r, rec.ok)
		if err := each(line, rec); err != nil {
			return err
		}
	}
}

func parseResult(line []byte) (r resultLine, ok bool) {
	err := json.Unmarshal(line, &r)
	return r, err == nil && r.Index != nil && *r.Index >= 0 && r.Hash != "" && r.Code != 0 && (r.Code != 200 || r.Data != nil)
}

// resultStart is how each result begins.
const resultStart = `{"index":`

// isTorn reports whether a last line may be what is left of a result. A
// system that stopped at the wrong moment may leave zeros.
func isTorn(line []byte) bool {
	line = bytes.TrimLeft(line, "\x00")
	n := min(len(line), len(resultStart))
	return string(line[:n]) == resultStart[:n]
}

// repair cuts off a torn last line and ends a whole one that lacks its end.
func (o *output) repair() error {
	if err := o.f.Truncate(o.size); err != nil {
		return err
	}
	if _, err := o.f.Seek(o.size, io.SeekStart); err != nil || o.size == 0 {
		return err
	}
	var last [1]byte
	if _, err := o.f.ReadAt(last[:], o.size-1); err != nil || last[0] == '\n' {
		return err
	}
	return o.write([]byte{'\n'})
}

// forgetFailures puts a file without the failures in the place of this one.
func (o *output) forgetFailures() error {
	next, err := os.CreateTemp(filepath.Dir(o.path), filepath.Base(o.path)+".*.tmp")
	if err != nil {
		return err
	}
	old := o.f
	err = o.copyGood(next)
	if err == nil {
		err = os.Rename(next.Name(), o.path)
	}
	if err != nil {
		next.Close()
		os.Remove(next.Name())
		return err
	}
	o.f = next
	old.Close() // only now: until the new file is in place nobody may take this one
	if err := o.scan(func([]byte, record) error { return nil }); err != nil {
		return err
	}
	return o.repair()
}

func (o *output) copyGood(next *os.File) error {
	info, err := o.f.Stat()
	if err != nil {
		return err
	}
	if err := errors.Join(lockFile(next), next.Chmod(info.Mode().Perm())); err != nil {
		return err
	}
	w := bufio.NewWriter(next)
	err = o.scan(func(line []byte, r record) error {
		if !r.ok {
			return nil
		}
		_, err := w.Write(append(bytes.TrimRight(line, "\n"), '\n'))
		return err
	})
	return errors.Join(err, w.Flush(), next.Sync())
}

// write appends a line by one write. After a failure the file ends with the
// last whole line, as far as the system lets it.
func (o *output) write(line []byte) error {
	if _, err := o.f.Write(line); err != nil {
		return errors.Join(err, o.f.Truncate(o.size))
	}
	o.size += int64(len(line))
	return nil
}

// close makes what was written last.
func (o *output) close() error { return errors.Join(o.f.Sync(), o.f.Close()) }

// wireFailure is the error object of a result.
type wireFailure struct {
	Kind         client.Kind `json:"kind"`
	Retryable    bool        `json:"retryable"`
	RetryAfterMS int64       `json:"retry_after_ms,omitempty"`
	Provider     string      `json:"provider,omitempty"`
	Param        string      `json:"param,omitempty"`
}

// appendResult appends the line of a result: index, ids and hash of the
// request, and behind them the members of the gateway's envelope.
func appendResult(b []byte, o *outcome) ([]byte, error) {
	b = fmt.Appendf(append(b, resultStart...), "%d,", o.item.index)
	if len(o.item.ids) > 0 {
		b = append(append(b, o.item.ids...), ',')
	}
	b = fmt.Appendf(b, `"request_hash":%q,`, o.item.hash)
	if o.response != nil {
		b = append(b, `"code":200,"message":"success","request_id":`...)
		b = jsonedit.AppendString(b, o.response.RequestID)
		var data bytes.Buffer // one line, whatever stands between the gateway and us made of it
		if err := json.Compact(&data, o.response.Raw); err != nil {
			return nil, err
		}
		b = append(append(b, `,"data":`...), data.Bytes()...)
		return append(b, "}\n"...), nil
	}
	e := o.failure
	b = fmt.Appendf(b, `"code":%d,"message":`, failureCode(e))
	b = jsonedit.AppendString(b, failureMessage(e))
	if e.RequestID != "" {
		b = jsonedit.AppendString(append(b, `,"request_id":`...), e.RequestID)
	}
	detail, err := json.Marshal(wireFailure{e.Kind, e.Retryable, e.RetryAfter.Milliseconds(), e.Provider, e.Param})
	if err != nil {
		return nil, err
	}
	b = append(append(b, `,"data":null,"error":`...), detail...)
	return append(b, "}\n"...), nil
}

// failureCode is never 0 and never 200: a failure that did not come from the
// gateway counts as a bad gateway.
func failureCode(e *client.Error) int {
	if e.Code == 0 || e.Code == 200 {
		return 502
	}
	return e.Code
}

func failureMessage(e *client.Error) string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}
