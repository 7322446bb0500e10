package abi

// FetchRequest is one HTTP request that the host makes for a module, if it lies
// inside the module's grant of http.fetch.
type FetchRequest struct {
	// Method is GET if empty.
	Method string `json:"method,omitempty"`
	// URL is absolute, with an ASCII host and without user info, fragment or dot
	// segments. Or it is "secret:NAME" with a path behind it: the operator's URL of
	// that name, to which the host appends the path. The module never sees it.
	URL     string   `json:"url"`
	Headers []Header `json:"headers,omitempty"`
	Body    []byte   `json:"body,omitempty"` // base64 in JSON; at most 32 KiB
	// TimeoutMS bounds the request; 0, or more than the host allows: the host's own
	// bound. It ends with the invocation anyway.
	TimeoutMS int `json:"timeout_ms,omitempty"`
	// MaxBody is how many bytes of the answer's body are wanted; 0: none but the
	// host's bound of 256 KiB. What is longer is cut.
	MaxBody int `json:"max_body,omitempty"`
}

// Header is one line of a request's or an answer's header.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Secret names a secret that the host puts behind Value, as in
	// {"Authorization", "Bearer ", "token"}. It is of no use in answers.
	Secret string `json:"secret,omitempty"`
}

// FetchResponse is what the other side answered, whatever its status: it is no
// error that a server says 500.
type FetchResponse struct {
	Status  int      `json:"status"`
	Headers []Header `json:"headers,omitempty"` // names in lower case
	Body    []byte   `json:"body,omitempty"`    // base64 in JSON
	// Cut tells that the body was longer.
	Cut bool `json:"cut,omitempty"`
	// TimeMS is how long it took from the first look-up to the last byte.
	TimeMS int64 `json:"time_ms"`
	// CertificateUntil is when the server's certificate expires, in milliseconds
	// since 1970 UTC; 0: there is none.
	CertificateUntil int64 `json:"certificate_until,omitempty"`
}

// HTTPQuery asks what http.fetch is granted for.
type HTTPQuery struct{}

// FetchScope are the patterns inside which a module may make requests, in the
// narrowest scope that anybody gave.
type FetchScope struct {
	Grants []HTTPGrant `json:"grants"`
}

// HTTPGrant is one of them.
type HTTPGrant struct {
	Methods []string `json:"methods"`
	// URL may have * in it. "secret:NAME" stands for the operator's URL of that name.
	URL string `json:"url"`
	// Exact tells that URL is one address, without any *.
	Exact bool `json:"exact,omitempty"`
}
