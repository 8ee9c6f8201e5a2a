package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

var errLineTooLong = errors.New("line exceeds the size limit")

// lines splits a stream into lines of any length up to most bytes. It is no
// bufio.Scanner because a last line without its end must be told from a whole
// one: it was cut.
type lines struct {
	r    *bufio.Reader
	most int
	buf  []byte
}

// next returns the next line that is not blank, without its end; it is valid
// until the next call. The errors are io.EOF at a clean end,
// io.ErrUnexpectedEOF within a line, errLineTooLong, and the source's.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (l *lines) line() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, piece...)
		switch {
		case len(l.buf) > l.most:
			return nil, errLineTooLong
		case err == nil:
			return l.buf, nil
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(bytes.TrimSpace(l.buf)) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
