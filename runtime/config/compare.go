package config

import "reflect"

// Differences returns the paths of the keys in which two configurations differ, in the order of the [Config] struct. A
// list or a section of the operator's own names is one key. It never returns a value, and one that is set to its
// default is the same as one that is not set.
func Differences(a, b *Config) []string {
	return schema().differences("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

func (f *field) differences(at string, a, b reflect.Value) []string {
	if f.kind != section {
		if f.same(a, b) {
			return nil
		}
		return []string{at}
	}
	var all []string
	for i, c := range f.fields { // in the order of the struct
		all = append(all, c.differences(join(at, c.name), a.Field(i), b.Field(i))...)
	}
	return all
}

// same compares what is no section. A list that is not there is an empty one.
func (f *field) same(a, b reflect.Value) bool {
	switch {
	case f.kind == ignored:
		return true
	case f.kind != plain && a.Len() == 0 && b.Len() == 0:
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
