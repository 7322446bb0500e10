package emulator

import "context"

// method is a Bot API method. Do runs with the world locked; wait is for the one method that may wait.
type method struct {
	name  string
	do    func(*Server, *params) (any, error)
	wait  func(*Server, context.Context, *params) (any, error)
	flood bool // counts against the flood limits
}

// methods by lower-case name: https://core.telegram.org/bots/api#making-requests says that case does not matter.
var methods = map[string]method{
	"getme":                  {name: "getMe", do: (*Server).getMe},
	"getupdates":             {name: "getUpdates", wait: (*Server).getUpdates},
	"setwebhook":             {name: "setWebhook", do: (*Server).setWebhook},
	"deletewebhook":          {name: "deleteWebhook", do: (*Server).deleteWebhook},
	"getwebhookinfo":         {name: "getWebhookInfo", do: (*Server).getWebhookInfo},
	"sendmessage":            {name: "sendMessage", do: (*Server).sendMessage, flood: true},
	"sendphoto":              {name: "sendPhoto", do: (*Server).sendPhoto, flood: true},
	"senddocument":           {name: "sendDocument", do: (*Server).sendDocument, flood: true},
	"sendchataction":         {name: "sendChatAction", do: (*Server).sendChatAction},
	"editmessagetext":        {name: "editMessageText", do: (*Server).editMessageText, flood: true},
	"editmessagecaption":     {name: "editMessageCaption", do: (*Server).editMessageCaption, flood: true},
	"editmessagemedia":       {name: "editMessageMedia", do: (*Server).editMessageMedia, flood: true},
	"editmessagereplymarkup": {name: "editMessageReplyMarkup", do: (*Server).editMessageReplyMarkup, flood: true},
	"deletemessage":          {name: "deleteMessage", do: (*Server).deleteMessage},
	"deletemessages":         {name: "deleteMessages", do: (*Server).deleteMessages},
	"answercallbackquery":    {name: "answerCallbackQuery", do: (*Server).answerCallbackQuery},
	"getfile":                {name: "getFile", do: (*Server).getFile},
	"getchat":                {name: "getChat", do: (*Server).getChat},
	"setmycommands":          {name: "setMyCommands", do: (*Server).setMyCommands},
	"getmycommands":          {name: "getMyCommands", do: (*Server).getMyCommands},
	"deletemycommands":       {name: "deleteMyCommands", do: (*Server).deleteMyCommands},
}

// getMe: https://core.telegram.org/bots/api#getme
func (s *Server) getMe(*params) (any, error) {
	return struct {
		User
		CanJoinGroups   bool `json:"can_join_groups"`
		CanReadAll      bool `json:"can_read_all_group_messages"`
		SupportsInline  bool `json:"supports_inline_queries"`
		CanConnect      bool `json:"can_connect_to_business"`
		HasMainWebApp   bool `json:"has_main_web_app"`
		HasTopicsInChat bool `json:"has_topics_enabled"`
	}{User: s.bot, CanJoinGroups: true, CanReadAll: true}, nil
}

// getChat: https://core.telegram.org/bots/api#getchat
func (s *Server) getChat(p *params) (any, error) {
	c, err := s.findChat(p)
	if err != nil {
		return nil, err
	}
	return struct {
		wireChat
		AccentColorID    int `json:"accent_color_id"`
		MaxReactionCount int `json:"max_reaction_count"`
	}{wireChat: c.wire(), MaxReactionCount: 11}, nil
}
