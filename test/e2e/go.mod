module github.com/llm-gateway/llm-gateway/test/e2e

go 1.26.0
