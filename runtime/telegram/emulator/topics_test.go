package emulator

import "testing"

func TestABotWritesOnlyIntoTopicsThatAreThere(t *testing.T) {
	w := newWorld(t)
	in := fields{"chat_id": super, "text": "x", "message_thread_id": 3}
	w.refused("sendMessage", in, "Bad Request: message thread not found")
	w.Send(MessageSpec{ChatID: super, From: ada, ThreadID: 3, Text: "/x"})
	if m := w.sent("sendMessage", in); m.ThreadID != 3 || !m.IsTopicMessage {
		t.Errorf("it is in topic %d", m.ThreadID)
	}
	delete(in, "message_thread_id")
	if m := w.sent("sendMessage", in); m.ThreadID != 0 || m.IsTopicMessage {
		t.Errorf("the general topic's message is in topic %d", m.ThreadID)
	}
}
