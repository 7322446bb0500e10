package emulator

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // photos are png or jpeg
	_ "image/png"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Limits of https://core.telegram.org/bots/api#sendphoto, #senddocument and #getfile, in bytes and pixels.
const (
	maxPhoto    = 10 << 20
	maxDocument = 50 << 20
	maxDownload = 20 << 20
	maxSides    = 10_000 // width plus height
	maxRatio    = 20
)

// maxStored bounds the bytes of all files together; beyond it the oldest are forgotten.
const maxStored = 256 << 20

// file is what a file was when it came; its bytes are in the store for as long as there is room.
type file struct {
	id     string
	path   string // below /file/bot<token>/
	name   string
	mime   string
	size   int
	width  int // photos only
	height int
	photo  bool
}

func (f *file) unique() string { return f.id[:8] }

type storedFile struct {
	*file
	data []byte
}

// fileStore keeps files by id and by path, the oldest first. Server.mu guards it.
type fileStore struct {
	byID   map[string]*storedFile
	byPath map[string]*storedFile
	order  []*storedFile
	bytes  int
	count  int
}

func newFileStore() fileStore {
	return fileStore{byID: make(map[string]*storedFile), byPath: make(map[string]*storedFile)}
}

func (st *fileStore) put(f *file, data []byte) *file {
	st.count++
	f.id = fmt.Sprintf("%016x%016x", randomUint64(), randomUint64())
	folder := "documents"
	if f.photo {
		folder = "photos"
	}
	f.path = folder + "/file_" + strconv.Itoa(st.count) + strings.ToLower(path.Ext(f.name))
	f.size = len(data)
	kept := &storedFile{file: f, data: data}
	st.byID[f.id], st.byPath[f.path] = kept, kept
	st.order = append(st.order, kept)
	for st.bytes += f.size; st.bytes > maxStored && len(st.order) > 1; {
		st.forgetOldest()
	}
	return f
}

func (st *fileStore) forgetOldest() {
	oldest := st.order[0]
	st.order[0] = nil
	st.order = st.order[1:]
	st.bytes -= oldest.size
	delete(st.byID, oldest.id)
	delete(st.byPath, oldest.path)
}

// data gives the bytes of a file, or nil if it is nil or was forgotten.
func (st *fileStore) data(f *file) []byte {
	if f == nil || st.byID[f.id] == nil {
		return nil
	}
	return st.byID[f.id].data
}

// takePhoto gives the photo that a call sends, new or by file id. Field is the parameter that holds it.
func (s *Server) takePhoto(p *params, value, field string) (*file, error) {
	up, sent := p.sentFile(value, field)
	if !sent {
		return s.knownFile(value, "photo", true)
	}
	return s.newPhoto(up)
}

func (s *Server) newPhoto(up upload) (*file, error) {
	if len(up.data) == 0 {
		return nil, badRequest("file must be non-empty")
	}
	if len(up.data) > maxPhoto {
		return nil, badRequest("file is too big")
	}
	shape, format, err := image.DecodeConfig(bytes.NewReader(up.data))
	if err != nil {
		return nil, badRequest("IMAGE_PROCESS_FAILED")
	}
	long, short := max(shape.Width, shape.Height), min(shape.Width, shape.Height)
	if short < 1 || long+short > maxSides || long > maxRatio*short {
		return nil, badRequest("PHOTO_INVALID_DIMENSIONS")
	}
	return s.files.put(&file{
		name: up.name, mime: "image/" + format, width: shape.Width, height: shape.Height, photo: true,
	}, up.data), nil
}

func (s *Server) takeDocument(p *params, value, field string) (*file, error) {
	up, sent := p.sentFile(value, field)
	if !sent {
		return s.knownFile(value, "document", false)
	}
	return s.newDocument(up)
}

func (s *Server) newDocument(up upload) (*file, error) {
	if len(up.data) == 0 {
		return nil, badRequest("file must be non-empty")
	}
	if len(up.data) > maxDocument {
		return nil, badRequest("file is too big")
	}
	kind, _, _ := strings.Cut(http.DetectContentType(up.data), ";")
	return s.files.put(&file{name: up.name, mime: kind}, up.data), nil
}

// sentFile gives the upload that a field carries, directly or as attach://name.
func (p *params) sentFile(value, field string) (upload, bool) {
	if name, attached := strings.CutPrefix(value, "attach://"); attached {
		field = name
	}
	up, sent := p.uploads[field]
	return up, sent
}

func (s *Server) knownFile(id, kind string, photo bool) (*file, error) {
	if id == "" || strings.HasPrefix(id, "attach://") {
		return nil, badRequest("there is no %s in the request", kind)
	}
	known := s.files.byID[id]
	if known == nil {
		return nil, badRequest("wrong file identifier/HTTP URL specified")
	}
	if known.photo != photo {
		return nil, badRequest("can't use the file as %s", kind)
	}
	return known.file, nil
}

// getFile: https://core.telegram.org/bots/api#getfile
func (s *Server) getFile(p *params) (any, error) {
	if !p.has("file_id") {
		return nil, badRequest("file_id not specified")
	}
	f := s.files.byID[p.str("file_id")]
	if f == nil {
		return nil, badRequest("invalid file_id")
	}
	if f.size > maxDownload {
		return nil, badRequest("file is too big")
	}
	return map[string]any{
		"file_id": f.id, "file_unique_id": f.unique(), "file_size": f.size, "file_path": f.path,
	}, nil
}

func (s *Server) serveFile(w http.ResponseWriter, name string) {
	s.mu.Lock()
	f := s.files.byPath[name]
	s.mu.Unlock()
	if f == nil {
		writeAnswer(w, nil, errNotFound)
		return
	}
	writeBody(w, http.StatusOK, "application/octet-stream", f.data)
}
