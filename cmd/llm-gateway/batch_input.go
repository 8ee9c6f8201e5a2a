package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/llm-gateway/llm-gateway/pkg/client"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// maxLine bounds one request, in bytes: what the gateway takes is less.
const maxLine = 64 << 20

// item is one request of a batch.
type item struct {
	index int    // counts requests from 0
	ids   []byte // its members custom_id and id, as they are: `"id":7`; empty for none
	hash  string // of the line, to tell a changed input
	body  []byte
	bad   *client.Error // why it cannot be sent
}

// inputLine is a line of the input that is not blank. Its text is valid until
// the next line is read.
type inputLine struct {
	index  int // counts lines that are not blank from 0
	number int // counts all lines from 1
	text   []byte
	long   bool // text is the beginning of a line beyond the limit
}

// hash identifies a request: the start of its text's SHA-256.
func (l *inputLine) hash() string {
	sum := sha256.Sum256(l.text)
	return hex.EncodeToString(sum[:8])
}

// eachLine calls fn for each line of r that is not blank, with at most so many
// bytes of it.
func eachLine(r io.Reader, most int, fn func(*inputLine) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	l := inputLine{index: -1}
	var buf []byte
	for {
		piece, err := br.ReadSlice('\n')
		if room := most - len(buf); len(bytes.TrimRight(piece, "\r\n")) > room {
			l.long = true
			piece = piece[:room]
		}
		buf = append(buf, piece...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && err != io.EOF {
			return err
		}
		l.number++
		if l.text = bytes.TrimSpace(buf); len(l.text) > 0 {
			l.index++
			if err := fn(&l); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		buf, l.long = buf[:0], false
	}
}

// survey reads the whole input once, before anything is sent: it counts the
// requests and checks that those which are answered are still the same.
func survey(file string, done map[int]record) (total int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return 0, err
	} else if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", file)
	}
	err = eachLine(f, maxLine, func(l *inputLine) error {
		total++
		if r, ok := done[l.index]; ok && r.hash != l.hash() {
			return fmt.Errorf("line %d is not the request that the output has an answer to; give another output file", l.number)
		}
		return nil
	})
	for i := range done {
		if err == nil && i >= total {
			err = fmt.Errorf("there are %d requests, but the output has an answer to number %d; give another output file", total, i)
		}
	}
	if err == nil && total == 0 {
		err = errors.New("there are no requests")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return total, err
}

// feed sends the requests that are not done to items, until ctx ends.
func feed(ctx context.Context, file string, done map[int]record, items chan<- item) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachLine(f, maxLine, func(l *inputLine) error {
		if _, ok := done[l.index]; ok {
			return ctx.Err()
		}
		select {
		case items <- newItem(l):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// newItem reads a line. It keeps nothing of it.
func newItem(l *inputLine) item {
	it := item{index: l.index, hash: l.hash(), body: bytes.Clone(l.text)}
	if l.long {
		it.bad = &client.Error{Kind: client.KindRequestTooLarge, Code: 413, Message: fmt.Sprintf("line %d is longer than %d bytes", l.number, maxLine)}
		return it
	}
	if err := it.takeIDs(); err != nil {
		it.bad = &client.Error{Kind: client.KindInvalidRequest, Code: 400, Message: fmt.Sprintf("line %d is not a JSON object: %v", l.number, err)}
	}
	return it
}

// takeIDs moves custom_id and id from the body, where the gateway would refuse
// them, to ids.
func (it *item) takeIDs() error {
	raw := it.body
	var at [2]jsonedit.Span
	if _, _, err := jsonedit.Find(raw, jsonedit.NewNames("custom_id", "id"), at[:]); err != nil {
		return err
	}
	if !at[0].Present() && !at[1].Present() {
		return nil
	}
	body := []byte{'{'}
	err := jsonedit.Each(raw, jsonedit.Span{End: len(raw)}, func(key string, value jsonedit.Span) error {
		to := &body
		if value == at[0] || value == at[1] {
			to = &it.ids
		}
		if n := len(*to); n > 0 && (*to)[n-1] != '{' {
			*to = append(*to, ',')
		}
		*to = append(append(jsonedit.AppendString(*to, key), ':'), value.Of(raw)...)
		return nil
	})
	it.body = append(body, '}')
	return err
}
