package h1

import (
	"sync"
	"time"
)

// key says which connections serve the same requests.
type key struct {
	tls  bool
	host string
}

// pool keeps unused connections, the latest used on top of each host's stack,
// so that the surplus of a burst grows old and goes.
type pool struct {
	maxAll, maxHost int
	life            time.Duration

	mu    sync.Mutex
	idle  map[key][]*conn
	all   int
	sweep *time.Timer
	swept bool // the timer is running
}

func (p *pool) init(o Options) {
	p.maxAll, p.maxHost, p.life = o.MaxIdle, o.MaxIdlePerHost, o.IdleTimeout
	p.idle = map[key][]*conn{}
}

// fresh is how long a connection is trusted to be still open without a look.
const fresh = 5 * time.Millisecond

// get returns the latest used connection that is still open, nil when there is
// none.
func (p *pool) get(k key) *conn {
	for {
		c := p.pop(k)
		if c == nil {
			return nil
		}
		if age := time.Since(c.idleAt); age < fresh || age < p.life && c.open() {
			c.reused = true
			return c
		}
		c.close()
	}
}

func (p *pool) pop(k key) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	stack := p.idle[k]
	n := len(stack)
	if n == 0 {
		return nil
	}
	c := stack[n-1]
	stack[n-1] = nil
	p.idle[k] = stack[:n-1]
	p.all--
	return c
}

// put keeps a connection, or closes it when there are enough.
func (p *pool) put(c *conn) {
	c.idleAt = time.Now()
	p.mu.Lock()
	keep := p.all < p.maxAll && len(p.idle[c.key]) < p.maxHost
	if keep {
		p.idle[c.key] = append(p.idle[c.key], c)
		p.all++
		if !p.swept {
			p.swept = true
			p.arm()
		}
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

func (p *pool) arm() {
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.life, p.expire)
		return
	}
	p.sweep.Reset(p.life)
}

// expire closes connections that nobody used for their life. It runs only
// while there are any.
func (p *pool) expire() {
	now := time.Now()
	var old []*conn
	p.mu.Lock()
	for k, stack := range p.idle {
		n := 0
		for n < len(stack) && now.Sub(stack[n].idleAt) >= p.life {
			n++
		}
		old = append(old, stack[:n]...)
		p.all -= n
		rest := append([]*conn(nil), stack[n:]...)
		if len(rest) == 0 {
			delete(p.idle, k)
		} else {
			p.idle[k] = rest
		}
	}
	if p.swept = p.all > 0; p.swept {
		p.arm()
	}
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

func (p *pool) closeAll() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.all = map[key][]*conn{}, 0
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.swept = false
	p.mu.Unlock()
	for _, stack := range idle {
		for _, c := range stack {
			c.close()
		}
	}
}
