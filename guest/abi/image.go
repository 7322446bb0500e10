package abi

// ImageQuery asks for images: tagged ones first, then by name.
type ImageQuery struct {
	Host   string `json:"host,omitempty"`
	Offset int    `json:"offset,omitempty"`
	Count  int    `json:"count,omitempty"` // 0: all, up to the host's limit
}

// ImageList is a page of images, narrowed to what the module may see.
type ImageList struct {
	// Total, Dangling and Size are of all that may be seen, not of the page.
	Total    int     `json:"total"`
	Dangling int     `json:"dangling"`
	Size     int64   `json:"size"` // bytes; layers that images share count for each
	Images   []Image `json:"images"`
}

// Image is one row of a list.
type Image struct {
	ID   string   `json:"id"` // "sha256:" and 64 hexadecimal digits
	Tags []string `json:"tags,omitempty"`
	// Digests are "repository@sha256:…", as registries know the image.
	Digests  []string `json:"digests,omitempty"`
	Size     int64    `json:"size"`    // bytes
	Created  int64    `json:"created"` // milliseconds since 1970 UTC
	Dangling bool     `json:"dangling,omitempty"`
	// Platform is "linux/arm/v7"; empty in a list of more than 20 images.
	Platform string `json:"platform,omitempty"`
	// Containers is how many are made of it, stopped ones too; -1: unknown.
	Containers int `json:"containers"`
}

// ImageRef names one image.
type ImageRef struct {
	Host string `json:"host,omitempty"`
	ID   string `json:"id"` // the full id, or a tag
}

// ImageDetails is everything about an image. Values that look secret are masked
// (D6).
type ImageDetails struct {
	Image
	OS           string   `json:"os,omitempty"`
	Architecture string   `json:"architecture,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	Author       string   `json:"author,omitempty"`
	Comment      string   `json:"comment,omitempty"`
	Layers       int      `json:"layers"`
	User         string   `json:"user,omitempty"`
	WorkingDir   string   `json:"working_dir,omitempty"`
	StopSignal   string   `json:"stop_signal,omitempty"`
	Entrypoint   []string `json:"entrypoint,omitempty"`
	Command      []string `json:"command,omitempty"`
	Ports        []string `json:"ports,omitempty"`   // "80/tcp"
	Volumes      []string `json:"volumes,omitempty"` // paths
	Env          []Label  `json:"env,omitempty"`
	Labels       []Label  `json:"labels,omitempty"`
	HealthCheck  string   `json:"health_check,omitempty"`
}

// ImageHistory is how an image was built, the newest layer first.
type ImageHistory struct {
	Layers []ImageLayer `json:"layers"`
}

// ImageLayer is one step of how an image was built. Words of CreatedBy that look
// secret are masked.
type ImageLayer struct {
	CreatedBy string   `json:"created_by"`
	Created   int64    `json:"created"` // milliseconds since 1970 UTC
	Size      int64    `json:"size"`    // bytes
	Tags      []string `json:"tags,omitempty"`
}

// UpdateQuery asks for newer versions of images. The host looks in the
// background and keeps what it found: whoever asks again sees how far it is.
type UpdateQuery struct {
	Host string `json:"host,omitempty"`
	// ID is one image, as in ImageRef; empty: all that may be seen.
	ID string `json:"id,omitempty"`
	// Fresh looks again at what was found before, as far as the registries'
	// limits permit.
	Fresh bool `json:"fresh,omitempty"`
	// WaitMS is how long to wait for what is still being looked up, at most
	// 5,000.
	WaitMS int `json:"wait_ms,omitempty"`
}

// UpdateReport is what is known now.
type UpdateReport struct {
	Images []ImageUpdate `json:"images"`
	// Pending counts those that are still being looked up.
	Pending int `json:"pending,omitempty"`
}

// ImageUpdate is what a registry says of one tag that is here.
type ImageUpdate struct {
	ID        string `json:"id"`                // the image's
	Reference string `json:"reference"`         // "registry/repository:tag"
	Checked   int64  `json:"checked,omitempty"` // milliseconds since 1970 UTC; 0: not yet
	// NewerTag is a newer version with the same suffix, Major whether its first
	// number is another one.
	NewerTag string `json:"newer_tag,omitempty"`
	Major    bool   `json:"major,omitempty"`
	// NewerWithin is the newest version with the same first number, if NewerTag
	// is a Major one and there is such a version.
	NewerWithin string `json:"newer_within,omitempty"`
	// NewerDigest tells that the tag means another image at the registry.
	NewerDigest bool `json:"newer_digest,omitempty"`
	// Problem is a plain sentence: why nothing is known.
	Problem string `json:"problem,omitempty"`
}
