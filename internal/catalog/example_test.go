package catalog_test

import (
	"fmt"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/catalog"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// An operator's own file changes one price and adds a model of a server that
// the built-in list does not know.
func ExampleCatalog_Merge() {
	builtin, err := catalog.Load([]byte(`{"schema":"llm-gateway-prices/1",
		"models":[{"id":"gpt-4o","provider":"openai","context_window":128000,"prices":[{"input":"2.50","output":"10"}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	own, err := catalog.Load([]byte(`{"schema":"llm-gateway-prices/1","models":[
		{"id":"gpt-4o","provider":"openai","prices":[{"input":"2.00","output":"8"}]},
		{"id":"llama-*","provider":"vllm","prices":[{"input":"0.05","output":"0.05"}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	prices, err := builtin.Merge(own)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, target := range [][2]string{{"openai", "gpt-4o"}, {"vllm", "llama-3.3-70b"}, {"vllm", "phi-4"}} {
		p := prices.Find(target[0], target[1]).Pricer(now)
		if p == nil {
			fmt.Println(target[1], "unknown")
			continue
		}
		cost, _ := p.Cost(llm.Usage{Input: 1200, Output: 300})
		fmt.Println(target[1], cost)
	}
	// Output:
	// gpt-4o 0.0048
	// llama-3.3-70b 0.000075
	// phi-4 unknown
}
