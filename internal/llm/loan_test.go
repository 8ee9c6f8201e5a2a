package llm

import "testing"

func TestKeepHoldsForEveryCopy(t *testing.T) {
	loan := &Loan{}
	c := &Call{Raw: []byte("{}"), Loan: loan}
	if loan.Kept() {
		t.Error("kept though nobody has said so")
	}
	c.WithModel("other").Keep()
	if !loan.Kept() {
		t.Error("a copy's word is forgotten")
	}
	(&Call{}).Keep() // nothing was lent
}
