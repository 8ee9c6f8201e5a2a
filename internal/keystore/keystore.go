package keystore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultPoll is the time between two looks for a change that nobody told.
	DefaultPoll = 2 * time.Second

	loadLimit  = 5 * time.Second // for one question
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Options makes a Keystore.
type Options struct {
	Store  Store        // required
	Logger *slog.Logger // nil = none
	Poll   time.Duration

	// Changed is given all keys when they have changed, before the change is
	// reported to whoever asked for it. One call at a time; it must not call
	// the Keystore.
	Changed func(keys []Key)
	// Up is told whether the store answers, when that changes; nil = nobody.
	Up func(bool)
}

// Keystore is the keys of one gateway. It is safe for concurrent use.
type Keystore struct {
	o      Options
	keys   atomic.Pointer[[]Key]
	failed atomic.Bool // the last question had no answer
	wake   chan struct{}
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex // one question or change at a time, so that no older answer replaces a newer one
	version int64      // -1 = unknown
	told    []string   // unreadable keys that the log knows of
}

// Open reads the keys, for at most five seconds, and goes on looking for
// changes until Close. A store that does not answer is no error: see Loaded.
func Open(ctx context.Context, o Options) *Keystore {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	if o.Changed == nil {
		o.Changed = func([]Key) {}
	}
	if o.Up == nil {
		o.Up = func(bool) {}
	}
	k := &Keystore{o: o, wake: make(chan struct{}, 1), version: -1}
	o.Up(true)
	k.refresh(ctx)
	// The goroutines outlive whoever opens the store; Close ends them.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.cancel = cancel
	k.done.Go(func() { k.poll(life) })
	if w, ok := o.Store.(Watcher); ok {
		k.done.Go(func() { k.watch(life, w) })
	}
	return k
}

// Close ends the goroutines. The store stays open.
func (k *Keystore) Close() error {
	k.cancel()
	k.done.Wait()
	return nil
}

// Keys returns all keys, sorted by name, those that have expired among them. The
// list is shared and must not be changed.
func (k *Keystore) Keys() []Key {
	if list := k.keys.Load(); list != nil {
		return *list
	}
	return nil
}

// Loaded reports whether the keys could be read at all.
func (k *Keystore) Loaded() bool { return k.keys.Load() != nil }

// Failing reports whether the store did not answer when it was last asked: the
// keys may not be the newest.
func (k *Keystore) Failing() bool { return k.failed.Load() }

// Create adds a key, which counts when Create returns. The error wraps ErrExists,
// or is the store's: then the key may stand there all the same.
func (k *Keystore) Create(ctx context.Context, key Key) error {
	return k.change(ctx, func(list []Key) ([]Key, error) {
		return append(slices.Clone(list), key), k.o.Store.Insert(ctx, key)
	})
}

// Revoke takes a key away, which does not count any more when Revoke returns.
// The error wraps ErrUnknown, or is the store's.
func (k *Keystore) Revoke(ctx context.Context, name string) error {
	return k.change(ctx, func(list []Key) ([]Key, error) {
		rest := slices.DeleteFunc(slices.Clone(list), func(x Key) bool { return x.Name == name })
		return rest, k.o.Store.Delete(ctx, name)
	})
}

// change lets edit change the store, and then reads it. If it cannot be read
// just then, the list counts that edit has returned.
func (k *Keystore) change(ctx context.Context, edit func([]Key) ([]Key, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, err := edit(k.Keys())
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	// Who asked may leave; the change has been made.
	if k.load(context.WithoutCancel(ctx)) != nil {
		slices.SortFunc(list, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
		k.version = -1
		k.adopt(list)
	}
	return nil
}

func (k *Keystore) adopt(list []Key) {
	k.keys.Store(&list)
	k.o.Changed(list)
}

// refresh reads the store and says in the log when it has gone or come back.
func (k *Keystore) refresh(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.load(ctx)
	switch {
	case ctx.Err() != nil: // the end, and no fault of the store
	case err != nil && !k.failed.Swap(true):
		k.o.Up(false)
		k.o.Logger.Warn("the store of run-time keys does not answer: the keys last known stay in force", slog.Int("known", len(k.Keys())), slog.Any("error", err))
	case err == nil && k.failed.Swap(false):
		k.o.Up(true)
		k.o.Logger.Info("the store of run-time keys answers again", slog.Int("keys", len(k.Keys())))
	}
}

// load needs k.mu.
func (k *Keystore) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	c, err := k.o.Store.Load(ctx, k.version)
	if err != nil {
		return err
	}
	if c.Version == k.version {
		return nil
	}
	k.version = c.Version
	if !slices.Equal(c.Unreadable, k.told) && len(c.Unreadable) > 0 {
		k.o.Logger.Error("run-time keys cannot be read by this version and are not accepted", slog.Any("names", c.Unreadable))
	}
	k.told = c.Unreadable
	k.adopt(c.Keys)
	return nil
}

// poll looks for changes, when it is told of one and every now and then.
func (k *Keystore) poll(ctx context.Context) {
	timer := time.NewTimer(k.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		k.refresh(ctx)
		timer.Reset(k.pause())
	}
}

// pause has a jitter, so that replicas do not ask all at once.
func (k *Keystore) pause() time.Duration { return k.o.Poll - k.o.Poll/8 + rand.N(k.o.Poll/4+1) } //nolint:gosec // jitter

// watch listens, and connects anew when the connection is lost; meanwhile poll
// finds the changes.
func (k *Keystore) watch(ctx context.Context, w Watcher) {
	retry := firstRetry
	for {
		err := w.Watch(ctx, func() {
			retry = firstRetry
			select {
			case k.wake <- struct{}{}:
			default: // a look is due already, and it has not begun
			}
		})
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, context.Canceled) {
			k.o.Logger.Debug("not told of changed keys: asking now and then", slog.Any("error", err))
		}
		timer := time.NewTimer(retry/2 + rand.N(retry)) //nolint:gosec // jitter
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		retry = min(2*retry, lastRetry)
	}
}
