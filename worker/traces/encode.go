package traces

import (
	"cmp"

	"google.golang.org/protobuf/encoding/protowire"
)

// OTLP's messages are written by hand: the package of their types, which are the ones of
// opentelemetry-proto's trace.proto, takes a tenth of a megabyte of the program. The
// tests read what is written with that package.

// attribute is a name and a string, an int64 or a bool.
type attribute struct {
	name  string
	value any
}

// ended is a span that is over.
type ended struct {
	at         place
	parent     []byte // nil: it begins the trace
	name       string
	kind       kind
	begin, end int64 // nanoseconds since 1970
	is         []attribute
	failure    string // "": none
}

// kind is a Span.SpanKind.
type kind uint64

const (
	internal kind = 1
	serving  kind = 2
	calling  kind = 3
)

// flagSampled is W3C's, and in OTLP's the same.
const flagSampled = 1

// statusError is Status.STATUS_CODE_ERROR.
const statusError = 2

// tracesData is a TracesData of one resource and one scope, which on the wire is an
// ExportTraceServiceRequest too.
func tracesData(resource []attribute, version string, spans []*ended) []byte {
	var r, scope []byte
	for _, a := range resource {
		r = appendMessage(r, 1, a.encode())
	}
	scoped := appendMessage(nil, 1, appendText(appendText(scope, 1, scopeName), 2, version))
	for _, s := range spans {
		scoped = appendMessage(scoped, 2, s.encode())
	}
	return appendMessage(nil, 1, appendMessage(appendMessage(nil, 1, r), 2, scoped))
}

// encode returns a Span.
func (s *ended) encode() []byte {
	b := appendMessage(nil, 1, s.at.trace[:])
	b = appendMessage(b, 2, s.at.span[:])
	b = appendText(b, 3, s.at.state)
	if s.parent != nil {
		b = appendMessage(b, 4, s.parent)
	}
	b = appendText(b, 5, s.name)
	b = appendNumber(b, 6, uint64(s.kind))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 7, protowire.Fixed64Type), uint64(s.begin))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), uint64(s.end))
	for _, a := range s.is {
		b = appendMessage(b, 9, a.encode())
	}
	if s.failure != "" {
		b = appendMessage(b, 15, appendNumber(appendText(nil, 2, s.failure), 3, statusError))
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, 16, protowire.Fixed32Type), flagSampled)
}

// encode returns a KeyValue.
func (a attribute) encode() []byte {
	var value []byte // an AnyValue
	switch v := a.value.(type) {
	case string:
		value = appendMessage(nil, 1, []byte(v))
	case bool:
		value = appendNumber(nil, 2, protowire.EncodeBool(v))
	case int64:
		value = appendNumber(nil, 3, uint64(v))
	}
	return appendMessage(appendText(nil, 1, a.name), 2, value)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// rejected reads how many spans the collector refused, and why, of an
// ExportTraceServiceResponse: its partial_success is field 1, in which rejected_spans is
// field 1 and error_message field 2.
func rejected(answer []byte) (n int, why string) {
	fields(answer, func(num protowire.Number, _ uint64, partial []byte) {
		if num == 1 {
			fields(partial, func(num protowire.Number, value uint64, words []byte) {
				switch num {
				case 1:
					n = int(min(value, waitMost))
				case 2:
					why = string(words)
				}
			})
		}
	})
	return n, cmp.Or(why, "it does not say why")
}

// fields calls each with the fields of a message that are numbers or bytes, up to where
// the message cannot be read: it only explains.
func fields(b []byte, each func(num protowire.Number, value uint64, content []byte)) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var value uint64
		var content []byte
		switch typ {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return
		}
		b = b[n:]
		each(num, value, content)
	}
}
