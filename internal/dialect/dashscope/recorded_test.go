package dashscope

import "github.com/llm-gateway/llm-gateway/internal/llm"

var recordedAnswers = map[string]gist{
	"multimodal-generation-vl-nosse":                   {ID: "e81aa922-be6c-9f9d-bd4f-0f43e21fd913", Text: "海滩。", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{3613, 0, 3, 0}},
	"single-generation-message-json-nosse":             {ID: "6af9571b-1033-98f9-a287-c06f2e9d6f7f", Text: "{\n  \"result\": 2\n}", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{25, 0, 9, 0}},
	"single-generation-message-logprobs-nosse":         {ID: "1d881da5-0028-9f20-8e7f-6bc7ae891c54", Text: "2", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{20, 0, 1, 0}},
	"single-generation-message-nosse":                  {ID: "e764bfe3-c0b7-97a0-ae57-cd99e1580960", Text: "a82800eec886", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{8, 0, 39, 0}},
	"single-generation-message-reasoning-effort-nosse": {ID: "49319f28-a8ac-9ad2-8708-cb26014b083f", Text: "e33b4b7a7cc5", Thinking: "63cb14fabb94", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{102, 0, 1941, 1812}},
	"single-generation-message-reasoning-nosse":        {ID: "7c8beccf-3e76-9034-95c1-db1f1ab9d6e0", Thinking: "7cac062fc9b5", Finish: llm.FinishLength, Native: "length", Usage: [4]int64{12, 0, 21, 20}},
	"single-generation-message-with-tools-nosse":       {ID: "67300049-c108-9987-b1c1-8e0ee2de6b5d", Calls: []string{`get_current_weather{"location": "浙江省杭州市"}`}, Finish: llm.FinishToolCalls, Native: "stop", Usage: [4]int64{211, 0, 8, 0}},
	"single-generation-text-nosse":                     {ID: "7e3d5586-cb70-98ce-97bf-8a2ac0091c3f", Text: "c85ca4677742", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{16, 0, 14, 0}},
}

var recordedStreams = map[string]gist{
	"multimodal-generation-message-with-parallel-function-call-sse": {ID: "0d95e615-418d-97a1-9302-ff622a7ceead", Thinking: "ce3e0e1e6b53", Calls: []string{`get_current_weather{"location": "浙江省杭州市"}`, `get_current_weather{"location": "上海市"}`}, Finish: llm.FinishToolCalls, Native: "tool_calls", Usage: [4]int64{2807, 0, 103, 38}},
	"multimodal-generation-vl-sse":                                  {ID: "13c5644d-339c-928a-a09a-e0414bfaa95c", Text: "0903ff31f854", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{1283, 0, 85, 0}},
	"single-generation-message-reasoning-sse":                       {ID: "ab9f3446-9bbf-963e-9754-2d6543343d7e", Text: "e6adc736abe2", Thinking: "2c47caf6d251", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{16, 0, 53, 10}},
	"single-generation-message-sse":                                 {ID: "d272255f-82d7-9cc7-93c5-17ff77024349", Text: "2aa0f524cd3b", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{8, 0, 40, 0}},
	"single-generation-message-with-parallel-tools-sse":             {ID: "98b76af4-4c9f-9397-af42-500425556f95", Calls: []string{`get_current_weather{"location": "浙江省杭州市"}`, `get_current_weather{"location": "上海市"}`}, Finish: llm.FinishToolCalls, Native: "tool_calls", Usage: [4]int64{250, 0, 37, 0}},
	"single-generation-message-with-tools-sse":                      {ID: "dd51401b-146e-42a0-96d9-4067a5fac75a", Text: "e787f3f11f8b", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{283, 0, 53, 0}},
	"single-generation-text-sse":                                    {ID: "5b441aa7-0b9c-9fbc-ae0a-e2b212b71eac", Text: "1+1等于2。", Finish: llm.FinishStop, Native: "stop", Usage: [4]int64{16, 0, 6, 0}},
}
