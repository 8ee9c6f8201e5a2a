package sse

import (
	"bytes"
	"strings"
)

// AppendData appends an event without a name: data, one data line for each of
// its lines, and the blank line. Line ends of any form in data arrive as \n.
func AppendData(dst, data []byte) []byte {
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		dst = append(dst, "data: "...)
		return append(append(dst, data...), "\n\n"...)
	}
	for data != nil {
		var line []byte
		line, data = cutLine(data)
		dst = append(dst, "data: "...)
		dst = append(append(dst, line...), '\n')
	}
	return append(dst, '\n')
}

// AppendEvent appends an event with a name, which stands before the data. A
// name cannot hold a line end: what follows one is left out. An empty name is
// as none.
func AppendEvent(dst []byte, name string, data []byte) []byte {
	if i := strings.IndexAny(name, "\r\n"); i >= 0 {
		name = name[:i]
	}
	if name != "" {
		dst = append(dst, "event: "...)
		dst = append(append(dst, name...), '\n')
	}
	return AppendData(dst, data)
}
