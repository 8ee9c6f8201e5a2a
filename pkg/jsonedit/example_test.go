package jsonedit_test

import (
	"fmt"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// A body passes on with another model and one more member; nothing else of it
// changes, white space and unknown members included.
func ExampleSplice() {
	raw := []byte(`{ "model": "chat", "future": {"x":1.50} }`)
	names := jsonedit.NewNames("model", "stream_options")
	var at [2]jsonedit.Span
	end, _, err := jsonedit.Find(raw, names, at[:])
	if err != nil {
		fmt.Println(err)
		return
	}
	out := jsonedit.Splice(raw,
		jsonedit.Edit{Span: at[0], New: jsonedit.AppendString(nil, "gpt-4o")},
		jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`,"stream_options":{"include_usage":true}`)},
	)
	fmt.Printf("%s\n", out)
	// Output: { "model": "gpt-4o", "future": {"x":1.50} ,"stream_options":{"include_usage":true}}
}

func ExampleEach() {
	raw := []byte(`{"n":1,"list":[true,"x"]}`)
	err := jsonedit.Each(raw, jsonedit.Span{End: len(raw)}, func(key string, at jsonedit.Span) error {
		fmt.Println(key, string(at.Of(raw)))
		if jsonedit.Kind(raw, at) != '[' {
			return nil
		}
		return jsonedit.EachElem(raw, at, func(i int, elem jsonedit.Span) error {
			fmt.Println(i, string(elem.Of(raw)))
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// n 1
	// list [true,"x"]
	// 0 true
	// 1 "x"
	// <nil>
}
