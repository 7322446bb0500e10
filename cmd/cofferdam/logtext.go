package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// textOf writes a field's value as a text in which a secret can be found: bytes
// as what they say, and not in base64 or as numbers, and errors without the long
// form that some have.
func textOf(f zapcore.Field) string {
	switch f.Type {
	case zapcore.StringType:
		return f.String
	case zapcore.ByteStringType, zapcore.BinaryType:
		return string(f.Interface.([]byte))
	case zapcore.ReflectType:
		return written(f.Interface)
	case zapcore.ErrorType:
		// One that is a pointer to nothing is left to zap, which knows what to
		// write then.
		if v := reflect.ValueOf(f.Interface); v.Kind() != reflect.Pointer || !v.IsNil() {
			return f.Interface.(error).Error()
		}
	}
	values := zapcore.NewMapObjectEncoder()
	f.AddTo(values)
	if f.Type == zapcore.InlineMarshalerType { // its keys are its own
		return written(values.Fields)
	}
	return written(values.Fields[f.Key])
}

// maxDepth is how deep a value is looked into. Deeper ones, and those that hold
// themselves, end there.
const maxDepth = 6

func written(v any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(v), maxDepth)
	return b.String()
}

// write is fmt's %v but for bytes, which it writes as text, and pointers, which
// it follows.
func write(b *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() {
		b.WriteString("<nil>")
		return
	}
	if depth == 0 {
		b.WriteString("…")
		return
	}
	if v.CanInterface() && v.Kind() != reflect.Interface {
		switch v.Interface().(type) {
		case error, fmt.Stringer, fmt.Formatter:
			fmt.Fprintf(b, "%v", v.Interface())
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		write(b, v.Elem(), depth-1)
	case reflect.Slice, reflect.Array:
		writeList(b, v, depth)
	case reflect.Map:
		keys := v.MapKeys()
		parts := make([]string, len(keys))
		for i, key := range keys {
			var part strings.Builder
			write(&part, key, depth-1)
			part.WriteByte(':')
			write(&part, v.MapIndex(key), depth-1)
			parts[i] = part.String()
		}
		slices.Sort(parts)
		b.WriteString("map[" + strings.Join(parts, " ") + "]")
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(v.Type().Field(i).Name + ":")
			write(b, v.Field(i), depth-1)
		}
		b.WriteByte('}')
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		b.WriteString(v.Type().String())
	default:
		fmt.Fprintf(b, "%v", v)
	}
}

func writeList(b *strings.Builder, v reflect.Value, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		for i := range v.Len() {
			b.WriteByte(byte(v.Index(i).Uint()))
		}
		return
	}
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(' ')
		}
		write(b, v.Index(i), depth-1)
	}
	b.WriteByte(']')
}
