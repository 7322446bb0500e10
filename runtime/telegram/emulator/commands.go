package emulator

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// BotCommand is an entry of a command menu: https://core.telegram.org/bots/api#botcommand
type BotCommand struct {
	Command     string `json:"command"`
	Description string `json:"description"`
}

// maxCommands is Telegram's limit for one list.
const maxCommands = 100

var commandName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// commandKey is what a command list belongs to: https://core.telegram.org/bots/api#botcommandscope
type commandKey struct {
	scope    string
	chatID   int64
	userID   int64
	language string
}

// setMyCommands: https://core.telegram.org/bots/api#setmycommands
func (s *Server) setMyCommands(p *params) (any, error) {
	key, err := s.commandKey(p)
	if err != nil {
		return nil, err
	}
	var list []BotCommand
	if json.Unmarshal([]byte(p.str("commands")), &list) != nil {
		return nil, badRequest("can't parse commands list")
	}
	if len(list) > maxCommands {
		return nil, badRequest("BOT_COMMANDS_TOO_MUCH")
	}
	for i, c := range list {
		list[i].Command = strings.TrimPrefix(c.Command, "/")
		if !commandName.MatchString(list[i].Command) {
			return nil, badRequest("BOT_COMMAND_INVALID")
		}
		if n := utf16Len(c.Description); n < 1 || n > 256 {
			return nil, badRequest("BOT_COMMAND_DESCRIPTION_INVALID")
		}
	}
	s.replaceCommands(key, list)
	return true, nil
}

// deleteMyCommands: https://core.telegram.org/bots/api#deletemycommands
func (s *Server) deleteMyCommands(p *params) (any, error) {
	key, err := s.commandKey(p)
	if err != nil {
		return nil, err
	}
	s.replaceCommands(key, nil)
	return true, nil
}

// getMyCommands: https://core.telegram.org/bots/api#getmycommands, of exactly the scope that is asked for.
func (s *Server) getMyCommands(p *params) (any, error) {
	key, err := s.commandKey(p)
	if err != nil {
		return nil, err
	}
	return append([]BotCommand{}, s.commands[key]...), nil
}

func (s *Server) replaceCommands(key commandKey, list []BotCommand) {
	if len(list) == 0 {
		delete(s.commands, key)
	} else {
		s.commands[key] = list
	}
	for _, c := range s.sortedChats() {
		for st := range c.streams {
			c.send(st, event{name: "commands", data: map[string]any{"commands": s.menu(st.userID, c)}})
		}
	}
}

func (s *Server) commandKey(p *params) (commandKey, error) {
	key := commandKey{scope: "default", language: p.str("language_code")}
	raw := p.str("scope")
	if raw == "" || raw == "null" {
		return key, nil
	}
	var scope struct {
		Type   string      `json:"type"`
		ChatID json.Number `json:"chat_id"`
		UserID int64       `json:"user_id"`
	}
	if json.Unmarshal([]byte(raw), &scope) != nil {
		return key, badRequest("can't parse BotCommandScope")
	}
	key.scope = scope.Type
	switch scope.Type {
	case "default", "all_private_chats", "all_group_chats", "all_chat_administrators":
		return key, nil
	case "chat", "chat_administrators", "chat_member":
		return s.chatScope(key, string(scope.ChatID), scope.UserID)
	}
	return key, badRequest("can't parse BotCommandScope: Unsupported type specified")
}

func (s *Server) chatScope(key commandKey, chatID string, userID int64) (commandKey, error) {
	c, err := s.findChat(&params{values: map[string]string{"chat_id": chatID}})
	if err != nil {
		return key, badRequest("chat not found")
	}
	key.chatID = c.id
	if key.scope == "chat" {
		return key, nil
	}
	if c.kind == kindPrivate {
		return key, badRequest("can't use specified scope in private chats")
	}
	if key.scope == "chat_member" {
		if key.userID = userID; !c.members[userID] {
			return key, badRequest("user not found")
		}
	}
	return key, nil
}

// Commands is the menu that a user sees in a chat, by Telegram's order of scopes:
// https://core.telegram.org/bots/api#determining-list-of-commands
func (s *Server) Commands(userID, chatID int64) []BotCommand {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chats[chatID]; c != nil {
		return s.menu(userID, c)
	}
	return s.menu(userID, &chat{id: chatID, kind: kindPrivate})
}

func (s *Server) menu(userID int64, c *chat) []BotCommand {
	keys := []commandKey{
		{scope: "chat_member", chatID: c.id, userID: userID}, {scope: "chat", chatID: c.id},
		{scope: "all_group_chats"}, {scope: "default"},
	}
	if c.kind == kindPrivate {
		keys = []commandKey{{scope: "chat", chatID: c.id}, {scope: "all_private_chats"}, {scope: "default"}}
	}
	for _, key := range keys {
		spoken := key
		spoken.language = s.users[userID].LanguageCode
		for _, k := range []commandKey{spoken, key} {
			if list, ok := s.commands[k]; ok {
				return slices.Clone(list)
			}
		}
	}
	return []BotCommand{}
}
