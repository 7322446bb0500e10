//go:build !wasip1

package sdk

import (
	"encoding/binary"
	"math"
	"reflect"
)

// source makes values of any type out of bytes; when they are used up, it makes
// zero values.
type source struct{ bytes []byte }

func (s *source) next() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

func (s *source) number() uint64 {
	var eight [8]byte
	n := copy(eight[:], s.bytes)
	s.bytes = s.bytes[n:]
	return binary.LittleEndian.Uint64(eight[:])
}

func (s *source) text() []byte {
	n := min(int(s.next()%16), len(s.bytes))
	text := s.bytes[:n:n]
	s.bytes = s.bytes[n:]
	return text
}

// fill sets a value. Lists are nil, empty or short.
func (s *source) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(s.next()%2 == 1)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(s.number()))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(s.number())
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(s.number()))
	case reflect.String:
		v.SetString(string(s.text()))
	case reflect.Pointer:
		if s.next()%2 == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i))
		}
	case reflect.Slice:
		n := int(s.next() % 5)
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
		for i := range v.Len() {
			s.fill(v.Index(i))
		}
	case reflect.Map:
		n := int(s.next() % 5)
		if n == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range n - 1 {
			v.SetMapIndex(reflect.ValueOf(string(s.text())), reflect.ValueOf(string(s.text())))
		}
	default:
		panic("no values of " + v.Type().String())
	}
}
