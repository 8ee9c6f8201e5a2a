package gemini

import "github.com/llm-gateway/llm-gateway/internal/llm"

var recordedAnswers = map[string]gist{
	"google-reasoning.json":                                                        {ID: "YH6LaZT7ENmPxN8P-r2J8Aw", Model: "gemini-3-pro-preview", Text: "4e40e58c1dd5", Signed: 1, Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{9, 0, 311, 282}},
	"google-tool-call-gemini3.json":                                                {ID: "JniLacKqGqH0xs0P0O776As", Model: "gemini-3-pro-preview", Signed: 1, Calls: []string{"weatherd041d2d45881"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{29, 0, 1816, 1801}},
	"googleai-unary-failure-finish-reason-safety.json":                             {Model: "gemini-2.0-flash", Text: "edcc6834dc8a", Finish: llm.FinishContentFilter, Native: "SAFETY", Usage: [4]int64{7, 0, 20, 0}},
	"googleai-unary-success-thinking-function-call-thought-summary-signature.json": {ID: "38CHaLjMG6TujrEPtvTiuQk", Model: "gemini-2.5-pro", Thoughts: "77f6f706e947", Signed: 1, Calls: []string{"now{}"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{38, 0, 509, 501}},
	"vertexai-unary-failure-finish-reason-safety-no-content.json":                  {Model: "gemini-1.5-flash", Finish: llm.FinishContentFilter, Native: "SAFETY", Usage: [4]int64{8, 0, 0, 0}},
	"vertexai-unary-success-function-call-different-parallel-calls.json":           {Calls: []string{`sum{"x":2,"y":1}`, `multiply{"x":4,"y":3}`, `subtract{"x":6,"y":5}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-unary-success-function-call-no-arguments.json":                       {Calls: []string{"current_time{}"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-unary-success-function-call-parallel-calls.json":                     {Calls: []string{`sum{"x":2,"y":1}`, `sum{"x":4,"y":3}`, `sum{"x":6,"y":5}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-unary-success-implicit-caching.json":                                 {Model: "gemini-2.5-flash", Text: "c5bca7a30f7c", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{12013, 11243, 88, 73}},
	"vertexai-unary-success-partial-usage-metadata.json":                           {Text: "09ccd0b734a8", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{6, 0, 0, 0}},
}

var recordedStreams = map[string]gist{
	"google-reasoning.chunks.jsonl":                                                   {ID: "dX6LadKVC7SZ28oPr9yJoQs", Model: "gemini-3-pro-preview", Text: "4e40e58c1dd5", Signed: 1, Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{9, 0, 285, 256}},
	"google-stream-no-args-tool-call.chunks.jsonl":                                    {ID: "_vr4aYiWEJnYodAPkujX0QM", Model: "gemini-3-flash-preview", Thoughts: "b543f381617b", Signed: 1, Calls: []string{"read_theme{}", `read_screen{"id":"A"}`, `read_screen{"id":"B"}`, `read_screen{"id":"C"}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{249, 0, 241, 183}},
	"google-stream-tool-call-arguments.chunks.jsonl":                                  {ID: "dqHOab6xGLzWodAPkPuViA4", Model: "gemini-3.1-pro-preview", Signed: 1, Calls: []string{`getWeather{"location":"Boston"}`, "getWeatherd041d2d45881"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{26, 0, 155, 132}},
	"google-tool-call-gemini3.chunks.jsonl":                                           {ID: "QHiLaa6LBrb8vdIPoNztsAg", Model: "gemini-3-pro-preview", Signed: 1, Calls: []string{"weatherd041d2d45881"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{29, 0, 819, 804}},
	"google-vertex-stream-tool-call-arguments-nested.1.chunks.jsonl":                  {ID: "tjXVaYaxFISTq8YP_MWiyAo", Model: "gemini-3.1-pro-preview", Signed: 1, Calls: []string{"cookRecipea266644b8966"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{31, 0, 1710, 1026}},
	"googleai-streaming-failure-prompt-blocked-safety.sse":                            {Finish: llm.FinishContentFilter, Native: "SAFETY", Usage: [4]int64{0, 0, 0, 0}},
	"googleai-streaming-failure-recitation-no-content.sse":                            {Model: "gemini-2.0-flash", Text: "6a447319052d", Finish: llm.FinishContentFilter, Native: "RECITATION", Usage: [4]int64{9, 0, 261, 0}},
	"googleai-streaming-success-basic-reply-short.sse":                                {Model: "gemini-2.0-flash", Text: "8032a2fc30e9", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{7, 0, 10, 0}},
	"googleai-streaming-success-empty-parts.sse":                                      {ID: "kLewaKa5ONqI-8YP-c_NuAQ", Model: "gemini-2.5-flash-image-preview", Text: "5f67f54791b0", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{16, 0, 1307, 0}},
	"googleai-streaming-success-finish-message.sse":                                   {Model: "gemini-2.0-flash", Text: "Hello world!", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
	"googleai-streaming-success-no-content-parts.sse":                                 {Model: "gemini-2.0-flash-preview-image-generation", Text: "3e8506c88709", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{34, 0, 1370, 0}},
	"googleai-streaming-success-thinking-function-call-thought-summary-signature.sse": {ID: "48SHaPHpHKbG-8YPtZCawAk", Model: "gemini-2.5-flash", Thoughts: "07c91c4e1853", Signed: 1, Calls: []string{"now{}"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{38, 0, 174, 168}},
	"googleai-streaming-success-thinking-reply-thought-summary.sse":                   {ID: "0J-HaJetAqv0jrEPwu-tsQ0", Model: "gemini-2.5-flash", Text: "6d2555120997", Thoughts: "5f8d4e702cff", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{10, 0, 588, 540}},
	"stream-parallel-tools-0.response.sse":                                            {ID: "1lpeaMTxIpW1nvgP-O3vwQY", Model: "gemini-2.0-flash", Calls: []string{`get_capital{"country":"France"}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{52, 0, 5, 0}},
	"stream-parallel-tools-1.response.sse":                                            {ID: "11peaOXwBPH_2PgPh_z--AY", Model: "gemini-2.0-flash", Calls: []string{`get_temperature{"city":"Paris"}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{64, 0, 5, 0}},
	"stream-tool-thought-signature-0.response.sse":                                    {ID: "QUVVadTSNJ6_qtsPvN7J8Q0", Model: "gemini-3-pro-preview", Signed: 1, Calls: []string{"get_country{}"}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{29, 0, 212, 202}},
	"stream-tool-thought-signature-1.response.sse":                                    {ID: "REVVabaiCdq4qtsPnZu96Qo", Model: "gemini-3-pro-preview", Text: "181c6ab041ae", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{257, 0, 8, 0}},
	"stream-usage-live.response.sse":                                                  {ID: "ru1garvBEoOiqtsP2fznmQw", Model: "gemini-2.5-flash", Text: "d2e46e39a189", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{18, 0, 115, 35}},
	"vertexai-streaming-failure-finish-reason-safety.sse":                             {Model: "gemini-1.5-flash", Text: "<redacted>", Finish: llm.FinishContentFilter, Native: "SAFETY", Usage: [4]int64{10, 0, 66, 0}},
	"vertexai-streaming-failure-prompt-blocked-safety-with-message.sse":               {Finish: llm.FinishContentFilter, Native: "SAFETY", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-streaming-failure-unknown-finish-enum.sse":                              {Text: "76c43d4d24a7", Finish: llm.FinishStop, Native: "FAKE_ENUM", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-streaming-success-basic-reply-short.sse":                                {Text: "Cheyenne", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{6, 0, 4, 0}},
	"vertexai-streaming-success-function-call-short.sse":                              {Calls: []string{`getTemperature{"city":"San Jose"}`}, Finish: llm.FinishToolCalls, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
	"vertexai-streaming-success-utf8.sse":                                             {Text: "a22bb3ecc49c", Finish: llm.FinishStop, Native: "STOP", Usage: [4]int64{0, 0, 0, 0}},
}
