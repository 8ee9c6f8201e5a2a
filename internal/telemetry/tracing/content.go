package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// contentEvent is the semantic conventions' name for an event that holds what a
// call says.
const contentEvent = "gen_ai.client.inference.operation.details"

// ContentLimit returns how many bytes an event on the span of ctx takes of
// question and answer each: as many as any attribute, so that the queue of
// spans stays small. It is 0 when the span is not recorded.
func (t *Tracer) ContentLimit(ctx context.Context) int {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return 0
	}
	if t.value < 0 {
		return maxValue
	}
	return t.value
}

// Content notes on the span of ctx what one call of the request said. It is an
// event and no attribute of the span, as a batch has many calls. input and
// output are JSON in the form of the semantic conventions; output is empty when
// there was no answer.
func (t *Tracer) Content(ctx context.Context, operation, input, output string) {
	a := make([]attribute.KeyValue, 0, 3)
	a = append(a, attribute.String("gen_ai.operation.name", operation))
	a = appendString(a, "gen_ai.input.messages", input)
	a = appendString(a, "gen_ai.output.messages", output)
	trace.SpanFromContext(ctx).AddEvent(contentEvent, trace.WithAttributes(a...))
}
