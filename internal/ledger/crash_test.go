package ledger

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const childVariable = "LEDGER_TEST_CHILD"

// childOf runs this program as the victim of TestKill, if it is one: it
// records without end, and says after each flush how much must be safe.
func childOf(*testing.M) bool {
	path := os.Getenv(childVariable)
	if path == "" {
		return false
	}
	s, err := OpenSQLite(context.Background(), path)
	if err != nil {
		fmt.Println(err)
		return true
	}
	r := New(Options{Store: s, Interval: time.Millisecond})
	for n := 0; ; n++ {
		r.Record(Record{Time: noon, Attempt: 1, Outcome: "complete"})
		if n%100 == 99 {
			if err := r.Flush(context.Background()); err != nil {
				fmt.Println(err)
				return true
			}
			fmt.Println("safe", n+1)
		}
	}
}

// TestKill: what was committed when the process is killed is there, records and
// sums agree, and the file can be used on.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		before := attemptsIn(t, path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		safe, lines := int64(0), bufio.NewScanner(out)
		for lines.Scan() && safe < 1000 {
			n, ok := strings.CutPrefix(lines.Text(), "safe ")
			if !ok {
				t.Fatal(lines.Text())
			}
			safe, _ = strconv.ParseInt(n, 10, 64)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		if got := attemptsIn(t, path) - before; got < safe {
			t.Errorf("%d records after the kill, %d were committed", got, safe)
		}
	}
}

// attemptsIn counts the records of a file, and checks the sums against them.
func attemptsIn(t *testing.T, path string) int64 {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var n int64
	if err := s.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ledger_records").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if sums := total(t, s); sums.Attempts != n {
		t.Errorf("%d records, but sums of %d", n, sums.Attempts)
	}
	return n
}
