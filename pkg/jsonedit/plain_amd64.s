#include "textflag.h"

// Sixteen times each: a quote, a backslash, the last control character.
DATA quotes<>+0(SB)/8, $0x2222222222222222
DATA quotes<>+8(SB)/8, $0x2222222222222222
GLOBL quotes<>(SB), RODATA|NOPTR, $16
DATA backslashes<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA backslashes<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL backslashes<>(SB), RODATA|NOPTR, $16
DATA controls<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA controls<>+8(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL controls<>(SB), RODATA|NOPTR, $16

// LOOK reads sixteen bytes into x and sets those bytes of found whose
// counterparts are special: a control character is its own minimum with 0x1f.
#define LOOK(offset, x, found, t) \
	MOVOU   offset(SI)(AX*1), x \
	MOVO    x, found            \
	MOVO    x, t                \
	PMINUB  X13, found          \
	PCMPEQB x, found            \
	PCMPEQB X14, t              \
	POR     t, found            \
	PCMPEQB X15, x              \
	POR     x, found

// func plainBlocks(b []byte, i int) int
TEXT ·plainBlocks(SB), NOSPLIT, $0-40
	MOVQ  b_base+0(FP), SI
	MOVQ  b_len+8(FP), CX
	MOVQ  i+24(FP), AX
	MOVOU controls<>(SB), X13
	MOVOU quotes<>(SB), X14
	MOVOU backslashes<>(SB), X15
	SUBQ  $64, CX                // the last offset at which a block fits
	JMP   check

next:
	LOOK(0, X0, X1, X2)
	LOOK(16, X3, X4, X5)
	LOOK(32, X6, X7, X8)
	LOOK(48, X9, X10, X11)
	POR      X4, X1
	POR      X10, X7
	POR      X7, X1
	PMOVMSKB X1, DX
	TESTL    DX, DX
	JNZ      done
	ADDQ     $64, AX

check:
	CMPQ AX, CX
	JLE  next

done:
	MOVQ AX, ret+32(FP)
	RET
