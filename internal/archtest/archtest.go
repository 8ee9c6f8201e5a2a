// Package archtest holds the test that keeps the rooms of the house apart: it
// reads the import graph and fails on any edge that docs/architecture.md does
// not draw. It has no code of its own.
package archtest
