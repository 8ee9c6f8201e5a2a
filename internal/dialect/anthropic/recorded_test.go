package anthropic

import "github.com/llm-gateway/llm-gateway/internal/llm"

var recordedAnswers = map[string]gist{
	"anthropic-claude-opus-5-reasoning-high.1.json": {ID: "msg_011CdMNhurHSJCxCC2NB7WYc", Model: "claude-opus-5", Text: "bf7cfc50962b", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{51, 0, 0, 0, 1699, 139}},
	"anthropic-json-output-format.1.json":           {ID: "msg_015rVfxqGkwrrRARo3Uv3C9K", Model: "claude-sonnet-4-5-20250929", Text: "9dd2c20bd046", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{371, 0, 0, 0, 629, 0}},
	"anthropic-refusal.json":                        {ID: "msg_01RefusalExampleAbcdefghijk", Model: "claude-fable-5", Finish: llm.FinishContentFilter, Native: "refusal", Usage: [6]int64{18, 0, 0, 0, 5, 0}},
	"anthropic-text.json":                           {ID: "msg_01VdEjxAP5ahtHKrrRdNBteQ", Model: "claude-sonnet-4-5-20250929", Text: "52f5deca558b", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{12, 0, 0, 0, 29, 0}},
	"anthropic-tool-no-args.json":                   {ID: "msg_01GCBaV8gyWAYgMVggRqZbuQ", Model: "claude-3-opus-20240229", Text: "64e739735956", Calls: []string{`updateIssueList{}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{602, 0, 0, 0, 93, 0}},
	"gomodel-messages.json":                         {ID: "msg_013LBDy1nvGiRgxiRAWseYRS", Model: "claude-sonnet-4-20250514", Text: "Hello World", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{14, 0, 0, 0, 5, 0}},
	"gomodel-messages_extended_thinking.json":       {ID: "msg_01MHEipmYGTxtwNoLd4876Ug", Model: "claude-sonnet-4-20250514", Text: "cf9e1403633e", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{53, 0, 0, 0, 211, 0}},
	"gomodel-messages_multimodal.json":              {ID: "msg_01EhF3inwGP9NXuBMrwkUWy1", Model: "claude-sonnet-4-20250514", Text: "79b3d40839bb", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{159, 0, 0, 0, 100, 0}},
	"gomodel-messages_with_tools.json":              {ID: "msg_01LEocKDcwMbVwu5WfQD4F9e", Model: "claude-sonnet-4-20250514", Text: "7f9902d69047", Calls: []string{`get_weather{"location":"Paris"}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{380, 0, 0, 0, 65, 0}},
	"thinking-part-0.response.json":                 {ID: "msg_01TGA8SWcHTTn5674cmicbnJ", Model: "claude-sonnet-4-5-20250929", Text: "b8e23777b09d", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{43, 0, 0, 0, 321, 0}},
	"thinking-part-1.response.json":                 {ID: "msg_016Vg1RgKdfLjsCLybGjd8Xo", Model: "claude-sonnet-4-5-20250929", Text: "a5fff7ce2c43", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{354, 0, 0, 0, 525, 0}},
	"thinking-part-redacted-0.response.json":        {ID: "msg_01TbZ1ZKNMPq28AgBLyLX3c4", Model: "claude-sonnet-4-5-20250929", Text: "a350ca9ccbab", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{92, 0, 0, 0, 196, 0}},
	"thinking-part-redacted-1.response.json":        {ID: "msg_012oSSVsQdwoGH6b2fryM4fF", Model: "claude-sonnet-4-5-20250929", Text: "6da5005aba50", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{168, 0, 0, 0, 232, 0}},
	"tool-use-200-ratelimit-headers.response.json":  {ID: "msg_011CeCGpXs8gezkuuEKQFp65", Model: "claude-haiku-4-5-20251001", Calls: []string{`dice_roll{}`, `dice_roll{}`, `dice_roll{}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{596, 0, 0, 0, 75, 0}},
	"tool-use-200-with-retry-after.response.json":   {ID: "msg_01CTV3rhAAYCrzRGTEoJbJt7", Model: "claude-sonnet-4-5-20250929", Text: "5ffb33581c3d", Calls: []string{`country_source{}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{628, 0, 0, 0, 50, 0}},
}

var recordedStreams = map[string]gist{
	"anthropic-json-output-format.1.chunks.jsonl":       {ID: "msg_01KbeodbKEyjf2fLb2Jnkr5s", Model: "claude-sonnet-4-5-20250929", Text: "0796715649bb", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{313, 0, 0, 0, 305, 0}},
	"anthropic-message-delta-input-tokens.chunks.jsonl": {ID: "msg_3196a1cc08de4d76b85b8f5777c0d42b", Model: "claude-opus-4-5-20251101", Text: "pong", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{61, 0, 0, 0, 2, 0}},
	"anthropic-refusal.chunks.jsonl":                    {ID: "msg_01RefusalStreamAbcdefghijk", Model: "claude-fable-5", Finish: llm.FinishContentFilter, Native: "refusal", Usage: [6]int64{18, 0, 0, 0, 5, 0}},
	"anthropic-text.chunks.jsonl":                       {ID: "msg_01QC4g3HwBThD4BaNtBckFDJ", Model: "claude-sonnet-4-5-20250929", Text: "3ff17711b625", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{12, 0, 0, 0, 30, 0}},
	"anthropic-tool-no-args.chunks.jsonl":               {ID: "msg_01GE2RKp1VYsPzdFs3sS9z5S", Model: "claude-sonnet-4-5-20250929", Text: "54fc8410f77c", Calls: []string{`updateIssueList{}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{565, 0, 0, 0, 48, 0}},
	"duplicate-message-start.chunks.jsonl":              {ID: "msg_dup", Model: "claude-3-haiku-20240307", Text: "Hello, World!", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{17, 0, 0, 0, 227, 0}},
	"gomodel-messages_stream.sse":                       {ID: "msg_01SJmPi7XXP8qscFQiHPR9oy", Model: "claude-sonnet-4-20250514", Text: "Hello World", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{10, 0, 0, 0, 5, 0}},
	"stream-high-max-tokens.response.sse":               {ID: "msg_018E1hg8GoVTGEKQY3ovMcSJ", Model: "claude-sonnet-4-5-20250929", Text: "2", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{20, 0, 0, 0, 5, 0}},
	"stream-tool-result-turn.response.sse":              {ID: "msg_011oC3yivUSFxqbo3krQu9Nt", Model: "claude-sonnet-4-6", Text: "bd80e4222ea1", Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{1007, 0, 0, 0, 59, 0}},
	"stream-tool-use.response.sse":                      {ID: "msg_01E3Wn1NynZw9FALZ68znj9S", Model: "claude-sonnet-4-6", Text: "e73ac65d75e5", Calls: []string{`get_exchange_rate{"from_currency":"USD","to_currency":"EUR"}`}, Finish: llm.FinishToolCalls, Native: "tool_use", Usage: [6]int64{1591, 0, 0, 0, 175, 0}},
	"thinking-part-redacted-stream-0.response.sse":      {ID: "msg_018XZkwvj9asBiffg3fXt88s", Model: "claude-sonnet-4-5-20250929", Text: "33e0d169251b", Thinking: 2, Signed: 2, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{92, 0, 0, 0, 189, 0}},
	"thinking-part-stream-0.response.sse":               {ID: "msg_01ALwQ87pTS7hH1PjSdC9wJD", Model: "claude-sonnet-4-20250514", Text: "1b0c432c3a48", Thinking: 1, Signed: 1, Finish: llm.FinishStop, Native: "end_turn", Usage: [6]int64{43, 0, 0, 0, 282, 0}},
}
