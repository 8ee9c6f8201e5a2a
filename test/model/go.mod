module github.com/llm-gateway/llm-gateway/test/model

go 1.26.0
