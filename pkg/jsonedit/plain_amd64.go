package jsonedit

// plainBlocks steps over blocks of 64 bytes, from i on, that hold no byte which
// special finds, and returns where the first other one begins, or what is left
// that is shorter. It uses SSE2, which every amd64 processor has.
//
//go:noescape
func plainBlocks(b []byte, i int) int
