module github.com/llm-gateway/llm-gateway

go 1.26
