package route

// Trail tells the way that a call took through its route: every target that was
// passed over or failed with the reason, then the one that answered.
type Trail struct {
	b     []byte
	steps int
}

// Add appends a target and what became of it; "" = it answered.
func (t *Trail) Add(target *Target, what string) {
	if t.steps++; t.steps > 1 {
		t.b = append(t.b, '>')
	}
	t.b = append(t.b, target.Label...)
	if what != "" {
		t.b = append(append(t.b, ':'), what...)
	}
}

// Steps returns how many targets the trail holds.
func (t *Trail) Steps() int { return t.steps }

// String returns the trail in one line:
// openai/gpt-4o:upstream_rate_limited>anthropic/claude-haiku-4-5.
func (t *Trail) String() string { return string(t.b) }
