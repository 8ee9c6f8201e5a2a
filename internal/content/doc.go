// Package content records what calls say and what they are answered, for the
// routes whose configuration asks for it (models.NAME.log_bodies): a log line
// and, where a trace is recorded, an event on its span. It reads what passes by
// and changes nothing. A stream is read by the goroutine that writes it to the
// client; nothing here outlives the call.
//
// The form is that of the OpenTelemetry semantic conventions for generative AI:
// messages of parts, as JSON (gen_ai.input.messages, gen_ai.output.messages;
// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). It is
// bounded, always valid JSON, and holds no headers, no media by value, no
// signatures of thinking, and nothing that looks like a key.
package content
