package canary

// What replicas do to judge as one: each adds what it counted to sums that all
// share, reads them back, and moves the position by compare-and-set. Where they
// are kept is not this package's affair.

// Delta returns what was counted here in the window under way and has not been
// told yet.
func (c *Controller) Delta() (window int64, d Sums) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d = c.own
	d.Add(&c.given, -1)
	return c.pos.Window, d
}

// Told notes that a delta was added to the shared sums, and what these are now.
// Another window's are taken where they are needed: the one before, and the
// yardstick, which a replica that has just started does not know.
func (c *Controller) Told(window int64, d, total *Sums) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if window == c.pos.Window {
		c.given.Add(d, 1)
		c.shared = *total
	}
	if window == c.pos.Before {
		c.before = *total
	}
	if window == c.pos.Base {
		c.base = total[Baseline]
	}
}

// Missing returns the numbers of earlier windows whose sums are needed and not
// known here.
func (c *Controller) Missing() (windows []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.judging() {
		return nil
	}
	if c.pos.Before != 0 && c.before.Empty() {
		windows = append(windows, c.pos.Before)
	}
	if c.pos.Base != 0 && c.base.Requests == 0 && c.pos.Base != c.pos.Before {
		windows = append(windows, c.pos.Base)
	}
	return windows
}

// Adopt takes over the position that replicas agree on. One that is behind this
// controller's is refused, unless it is a rollback at the same version: of two
// that were made apart the safe one wins.
func (c *Controller) Adopt(p Position) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := p.Version > c.pos.Version
	safer := p.Version == c.pos.Version && p.State == RolledBack && c.pos.State != RolledBack
	if !ahead && !safer || p.State == "" {
		return false
	}
	c.take(p)
	return true
}
