package sdk

import "encoding/json"

// The wire is JSON. These two functions are the only place that knows how it
// is written.

func encode(v any) ([]byte, error) { return json.Marshal(v) }

func decode(data []byte, v any) error { return json.Unmarshal(data, v) }
