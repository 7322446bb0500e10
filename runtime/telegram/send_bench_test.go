package telegram

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// benchAPI answers sendMessage as fast as can be.
func benchAPI(b *testing.B) *httptest.Server {
	answer := []byte(`{"ok":true,"result":{"message_id":11,"from":{"id":99,"is_bot":true,"first_name":"bot"},"chat":{"id":7,"type":"private"},"date":1764000000,"text":"hello"}}`)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}))
	b.Cleanup(api.Close)
	return api
}

// BenchmarkSend compares a message sent by a Sender, to one of 250 chats, with
// a bare http.Post of the same content to the same server.
func BenchmarkSend(b *testing.B) {
	message := chat.Message{Text: strings.Repeat("cpu 12 % ", 40), Entities: []chat.Entity{{Type: "bold", Length: 3}}, Inline: [][]chat.Button{{{Label: "Refresh", Data: "t:abc"}}}}
	b.Run("sender", func(b *testing.B) {
		api := benchAPI(b)
		s := NewSender(newTestClient(b, api.URL, newToken()), SenderOptions{})
		b.ReportAllocs()
		parallel(b, func(i int64) error {
			_, err := s.Send(b.Context(), chat.Address{Chat: 1 + i%250}, message)
			return err
		})
	})
	b.Run("bare", func(b *testing.B) {
		api := benchAPI(b)
		body, _ := json.Marshal(map[string]any{"chat_id": 7, "text": message.Text, "entities": entities(message.Entities), "reply_markup": inlineMarkup(message.Inline)})
		client := &http.Client{Transport: newTransport()}
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		parallel(b, func(int64) error {
			resp, err := client.Post(api.URL+"/bot/sendMessage", "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	})
}

func parallel(b *testing.B, do func(i int64) error) {
	b.SetParallelism(32)
	var next sync.Mutex
	i := int64(0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			next.Lock()
			i++
			mine := i
			next.Unlock()
			if err := do(mine); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
}
