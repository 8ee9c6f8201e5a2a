package main

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

// terminalWidth returns the columns of the terminal that w writes to, 0 when
// it is none (ioctl_tty(2), TIOCGWINSZ).
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	var size struct{ rows, cols, xpixel, ypixel uint16 }
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))) //nolint:gosec // the form that package unsafe allows for Syscall
	})
	if err != nil || errno != 0 {
		return 0
	}
	if size.cols == 0 { // a terminal that does not know
		return defaultWidth
	}
	return int(size.cols)
}
