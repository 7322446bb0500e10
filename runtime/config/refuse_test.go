package config

import (
	"strings"
	"testing"
)

// What an operator sees. The minimal configuration has five lines, so what a row adds begins in line 6.
func TestRefusals(t *testing.T) {
	for name, row := range map[string]struct{ extra, want string }{
		"a key with two letters swapped": {
			"dokcer: {}\n",
			"line 6: dokcer: unknown key; did you mean docker?"},
		"a key with the wrong case and dashes": {
			"log:\n  Level: INFO\nchat-id: {}\n",
			"line 7: log.Level: unknown key; did you mean log.level?\nline 8: chat-id: unknown key; did you mean chat_id?"},
		"a key of another section": {
			"telegram:\n  strict_access: true\n",
			"line 7: telegram.strict_access: unknown key; did you mean docker.strict_access?"},
		"a key that is like no other": {
			"log:\n  colour: blue\n",
			"line 7: log.colour: unknown key; known here: level, format"},
		"an unknown key within a grant": {
			"modules:\n  grants:\n    m:\n      - {capability: kv, scop: [a]}\n",
			"line 9: modules.grants.m[0].scop: unknown key; did you mean modules.grants.m[0].scope?"},
		"a token where a key belongs": {
			testToken() + ": x\n",
			"line 6: (a key of 46 characters): unknown key; known here: config_version, bot_token, access_control, chat_id, docker, webhook_config, plugins_config, influxdb, telegram, modules, state, metrics, releases, log"},
		"a section twice": {
			"log: {level: INFO}\nlog: {level: WARN}\n",
			"line 7: log: given twice, first in line 6; remove one"},
		"a merge key": {
			"log: &l {level: INFO}\nmetrics:\n  <<: *l\n",
			"line 8: metrics: merge keys (<<) are not read; write the keys out"},
		"a bad key at the top does not hide the rest": {
			"[a]: x\nlog: {level: loud}\n",
			"line 6: a key must be a word, not a list of 1\nline 7: log.level: must be DEBUG, INFO, WARN or ERROR, not a text of 4 characters"},
		"a list as a key": {
			"? [a, b]\n: x\n",
			"line 6: a key must be a word, not a list of 2"},
		"two values for one": {
			"webhook_config:\n  local_port:\n    - 8080\n    - 8081\n",
			"line 8: webhook_config.local_port: one value is wanted, and this is a list of 2; keep one"},
		"a section for a value": {
			"log: {level: {a: b}}\n",
			"line 6: log.level: must be a text, not a section"},
		"a value for a section": {
			"log: DEBUG\n",
			"line 6: log: must be a section with keys of its own, not a text of 5 characters"},
		"a list for a section": {
			"docker: [unix:///var/run/docker.sock]\n",
			"line 6: docker: must be a section with keys of its own, not a list of 1"},
		"a section for a list": {
			"chat_id: {global_chat_id: {a: 1}}\n",
			"line 6: chat_id.global_chat_id: must be a list, not a section"},
		"a list within a list": {
			"chat_id: {global_chat_id: [[1, 2]]}\n",
			"line 6: chat_id.global_chat_id[0]: one value is wanted, and this is a list of 2; keep one"},
		"an item that was only begun": {
			"chat_id:\n  global_chat_id:\n    - -100\n    -\n",
			"line 9: chat_id.global_chat_id[1]: an item without a value; fill it in, or remove its line"},
		"a word for a number": {
			"webhook_config: {local_port: http}\n",
			"line 6: webhook_config.local_port: must be a whole number, not a text of 4 characters"},
		"an octal number": {
			"chat_id: {global_chat_id: 0123}\n",
			"line 6: chat_id.global_chat_id[0]: a number begins with 0, which some read as octal; remove the 0"},
		"a huge number": {
			"chat_id: {global_chat_id: 99999999999999999999}\n",
			"line 6: chat_id.global_chat_id[0]: the number is too large"},
		"a number for true": {
			"docker: {strict_access: 1}\n",
			"line 6: docker.strict_access: must be true or false, not a number"},
		"infinity": {
			"telegram: {flood: {chat: .inf, group: .nan}}\n",
			"line 6: telegram.flood.chat: must be a finite number\nline 6: telegram.flood.group: must be a finite number"},
		"a YAML tag": {
			"log: {level: !!binary SU5GTw==}\n",
			"line 6: log.level: a YAML tag (!…) is not read here; put the value in quotes"},
		"a duration without a unit": {
			"telegram: {max_update_age: 300}\n",
			"line 6: telegram.max_update_age: a duration needs a unit; write 300s, 5m or 1h"},
		"a duration in words": {
			"telegram: {max_update_age: five minutes}\n",
			"line 6: telegram.max_update_age: must be a duration, not a text of 12 characters; write 300s, 5m or 1h"},
		"durations out of range": {
			"telegram: {max_update_age: 9s}\nplugins_config: {monitor: {check_interval: 0, retry_interval: 99999999999}}\n",
			"line 6: telegram.max_update_age: must be between 10s and 24h\n" +
				"line 7: plugins_config.monitor.retry_interval: the number of seconds is out of range\n" +
				"line 7: plugins_config.monitor.check_interval: must be between 1s and 24h"},
		"a negative flood limit": {
			"telegram: {flood: {chat: -1}}\n",
			"line 6: telegram.flood.chat: must be 0 or more; 0 means no limit"},
		"thresholds": {
			"plugins_config:\n  monitor:\n    max_notifications: 0\n    tracehold: {cpu_usage_threshold: [101], gpu_temperature_threshold: -1}\n",
			"line 8: plugins_config.monitor.max_notifications: must be 1 or more\n" +
				"line 9: plugins_config.monitor.tracehold.cpu_usage_threshold: must be 0 to 100 percent\n" +
				"line 9: plugins_config.monitor.tracehold.gpu_temperature_threshold: must be 0 to 200 degrees Celsius"},
		"Docker hosts": {
			"docker:\n  host:\n    - npipe:////./pipe/docker_engine\n    - /var/run/docker.sock\n    - unix://docker.sock\n" +
				"    - ssh://me@host\n    - localhost\n    - tcp://host\n    - tcp://user:pw@host:1\n    - unix:///a\n    - unix:///a\n",
			"line 8: docker.host[0]: named pipes (npipe://) exist on Windows only, and this is Linux; use unix:///var/run/docker.sock\n" +
				"line 9: docker.host[1]: a path without a scheme; write unix:// before it\n" +
				"line 10: docker.host[2]: the path of a socket must begin with /; write unix:///var/run/docker.sock\n" +
				"line 11: docker.host[3]: ssh:// needs an ssh program, and the image has none; forward the socket with ssh -L, and use unix://\n" +
				"line 12: docker.host[4]: is not the address of a Docker engine (a text of 9 characters); write unix:///path, tcp://host:port or https://host:port\n" +
				"line 13: docker.host[5]: a port is missing; Docker's are 2375, and 2376 for TLS\n" +
				"line 14: docker.host[6]: has a user or a password in it, which ends up in logs\n" +
				"line 16: docker.host[8]: the same host is given twice; remove one"},
		"no Docker host at all": {
			"docker: {host: []}\n",
			"line 6: docker.host: is an empty list; remove the key for unix:///var/run/docker.sock"},
		"webhook ports": {
			"webhook_config: {url: bot.example.org, webhook_port: 444, local_port: 443}\n",
			"line 6: webhook_config.webhook_port: Telegram delivers to the ports 443, 80, 88 and 8443 only\n" +
				"line 6: webhook_config.local_port: must be 1024 or more: lower ports need a privilege that the bot does not have; let a proxy or Docker map the port"},
		"a webhook address with a path": {
			"webhook_config: {url: 'https://bot.example.org/hook', cert: /c}\n",
			"line 6: webhook_config.url: must be a host name (a text of 20 characters); write bot.example.org; the port has a key of its own, and the path is made by the bot\n" +
				"line 6: webhook_config.cert_key: is missing: cert and cert_key go together; give both, or neither behind a proxy"},
		"impossible hosts and ports": {
			"webhook_config: {url: '[::1', local_port: 65536, cert_key: /k}\ninfluxdb: {url: 'ftp://x', token: t, org: o, bucket: b}\n" +
				"docker: {host: ['tcp://h:0', 'tcp://:1', 'tcp://h%zz:1', 'http://[fe80::1]:2375']}\nchat_id: x\nmodules: {pins: [a]}\n",
			"line 6: webhook_config.url: must be a host name (a text of 4 characters); write bot.example.org; the port has a key of its own, and the path is made by the bot\n" +
				"line 6: webhook_config.local_port: a port is at most 65535\n" +
				"line 6: webhook_config.cert: is missing: cert and cert_key go together; give both, or neither behind a proxy\n" +
				"line 7: influxdb.url: must begin with http:// or https://\n" +
				"line 8: docker.host[0]: has an impossible port\n" +
				"line 8: docker.host[1]: has no host name, or an impossible one\n" +
				"line 8: docker.host[2]: is not a URL (a text of 12 characters)\n" +
				"line 9: chat_id: must be a section with keys of its own, not a text of 1 character\n" +
				"line 10: modules.pins: must be a section of names, not a list of 1"},
		"sections for values": {
			"docker: {strict_access: {}}\ntelegram: {max_update_age: {}, flood: {chat: {}}}\n" +
				"webhook_config: {local_port: 1.5, trusted_proxy_ips: [true]}\nmodules: {limits: {m: {memory: {}, host_calls: yes}}}\n",
			"line 6: docker.strict_access: must be true or false, not a section\n" +
				"line 7: telegram.max_update_age: must be a duration, not a section\n" +
				"line 7: telegram.flood.chat: must be a number, not a section\n" +
				"line 8: webhook_config.local_port: must be a whole number, not a number with a fraction\n" +
				"line 8: webhook_config.trusted_proxy_ips[0]: must be an IP address or a range, not true or false\n" +
				"line 9: modules.limits.m.memory: must be a size, not a section\n" +
				"line 9: modules.limits.m.host_calls: must be a whole number, not a text of 3 characters"},
		"a mistake in a file too long to look for it line by line": {
			"log:\n" + strings.Repeat("  # nothing\n", 600) + "  level: 'INFO\n",
			"line 607: a quote is opened and not closed"},
		"proxy ranges": {
			"webhook_config:\n  trusted_proxy_ips: [proxy, 10.0.0.1/8]\n",
			"line 7: webhook_config.trusted_proxy_ips[0]: must be an IP address or a range, not a text of 5 characters\n" +
				"line 7: webhook_config.trusted_proxy_ips[1]: the address has bits set beyond the length of the range; write the first address of the range"},
		"ranges with everybody in them": {
			"webhook_config:\n  trusted_proxy_ips: [10.0.0.0/8, 0.0.0.0/0, '::/0', 'fd00::/16']\n  additional_telegram_ip_ranges: [128.0.0.0/7, '2000::/15']\n",
			"line 7: webhook_config.trusted_proxy_ips[1]: a range wider than /8: anybody could say who he is; write the addresses of your own proxies, or of Telegram, only\n" +
				"line 7: webhook_config.trusted_proxy_ips[2]: a range wider than /16: anybody could say who he is; write the addresses of your own proxies, or of Telegram, only\n" +
				"line 8: webhook_config.additional_telegram_ip_ranges[0]: a range wider than /8: anybody could say who he is; write the addresses of your own proxies, or of Telegram, only\n" +
				"line 8: webhook_config.additional_telegram_ip_ranges[1]: a range wider than /16: anybody could say who he is; write the addresses of your own proxies, or of Telegram, only"},
		"IPv4 inside of IPv6": {
			"webhook_config: {trusted_proxy_ips: ['::ffff:10.0.0.1', '::ffff:0:0/96']}\n",
			"line 6: webhook_config.trusted_proxy_ips[0]: an IPv4 address inside of an IPv6 one; write it like 192.0.2.1, which is the same\n" +
				"line 6: webhook_config.trusted_proxy_ips[1]: an IPv4 address inside of an IPv6 one; write it like 192.0.2.1, which is the same"},
		"webhook mode without an address": {
			"webhook_config: {enabled: true}\n",
			"line 6: webhook_config.url: is missing, and enabled is true; write the public host name, such as bot.example.org, or enabled: false"},
		"webhook mode with the sample's address": {
			"webhook_config:\n  enabled: true\n  url: your-domain.com\n",
			"line 8: webhook_config.url: is missing, and enabled is true; write the public host name, such as bot.example.org, or enabled: false"},
		"webhook mode with an address of no use": {
			"webhook_config: {enabled: true, url: {}}\n",
			"line 6: webhook_config.url: must be a text, not a section"},
		"a Bot API address with a password": {
			"telegram: {api_url: 'https://me:pw@api.example.org'}\n",
			"line 6: telegram.api_url: has a user or a password in it, which ends up in logs; Telegram's own is https://api.telegram.org"},
		"a Bot API address with a query": {
			"telegram: {api_url: 'https://api.example.org/?a=b'}\n",
			"line 6: telegram.api_url: must end before any ? or #; Telegram's own is https://api.telegram.org"},
		"a Bot API address without a scheme": {
			"telegram: {api_url: api.example.org}\n",
			"line 6: telegram.api_url: must begin with http:// or https://; Telegram's own is https://api.telegram.org"},
		"Outline without a fingerprint": {
			"plugins_config:\n  outline:\n    api_url: http://vpn/x\n    cert: /path/cert.pem\n",
			"line 8: plugins_config.outline.api_url: must begin with https://; copy apiUrl from Outline Manager\n" +
				"line 9: plugins_config.outline.cert: must be the SHA-256 fingerprint of the server's certificate; copy certSha256 from Outline Manager: 64 hexadecimal digits"},
		"metrics": {
			"metrics: {listen: 9108}\n",
			"line 6: metrics.listen: must be host:port (a text of 4 characters); write 127.0.0.1:9108, or :9108 for all addresses"},
		"releases without TLS": {
			"releases: {feed: http://example.org}\n",
			"line 6: releases.feed: must begin with https://; write an address such as https://api.github.com/repos/OWNER/NAME/releases/latest"},
		"releases with a password": {
			"releases: {feed: https://a:b@example.org/latest}\n",
			"line 6: releases.feed: has a user or a password in it, which ends up in logs; write an address such as https://api.github.com/repos/OWNER/NAME/releases/latest"},
		"log": {
			"log: {level: loud, format: xml}\n",
			"line 6: log.level: must be DEBUG, INFO, WARN or ERROR, not a text of 4 characters\n" +
				"line 6: log.format: must be json or human, not a text of 3 characters"},
		"modules": {
			"modules:\n  trusted_keys: [abc]\n  pins:\n    m: abc\n    'no good': abc\n    n:\n  limits:\n    m: {memory: 64MB, timeout: 1h, host_calls: -1, concurrency: 1001, reply: 1}\n",
			"line 7: modules.trusted_keys[0]: is not a minisign public key (a text of 3 characters); it is the second line of minisign.pub: 56 characters that begin with RW\n" +
				"line 9: modules.pins.m: is not a SHA-256 (a text of 3 characters); it is 64 hexadecimal digits, as sha256sum prints them\n" +
				"line 10: modules.pins.(a key of 7 characters): a name has at most 31 letters, digits, -, _ and dots\n" +
				"line 11: modules.pins.n: a name without a value; fill it in, or remove the line\n" +
				"line 13: modules.limits.m.memory: must be a size, not a text of 4 characters; write it like 64MiB\n" +
				"line 13: modules.limits.m.reply: must be between 1KiB and 16MiB\n" +
				"line 13: modules.limits.m.timeout: must be between 10ms and 10m\n" +
				"line 13: modules.limits.m.host_calls: must be between 1 and 1000000\n" +
				"line 13: modules.limits.m.concurrency: must be between 1 and 1000"},
		"what http.fetch is not granted for": {
			"modules:\n  grants:\n    m:\n      - http.fetch{https://*/* private}\n      - {capability: http.fetch, scope: ['https://a.org/', 'https://u:" + testToken()[11:] + "@a.org/']}\n      - http.fetch{GET https://a.org/ private}\n",
			"line 9: modules.grants.m[0].scope[0]: private is granted for a host by its name, not with *\n" +
				"line 10: modules.grants.m[1].scope[1]: a URL has no user or password in it"},
		"secrets of modules": {
			"modules:\n  secrets:\n    m:\n      short: abc\n      lines: \"abcdefgh\\nijkl\"\n      base: http://example.org/" + testSalt() + "\n      none: ''\n      fine: abcdefgh\n    " + testSalt() + ": {}\n    n: text\n",
			"line 9: modules.secrets.m.short: must have 8 to 4096 characters (a text of 3 characters)\n" +
				"line 10: modules.secrets.m.lines: must be one line of printable ASCII without blanks around it\n" +
				"line 11: modules.secrets.m.base: is an address that cannot be asked: must begin with https://\n" +
				"line 12: modules.secrets.m.none: a name without a value; fill it in, or remove the line\n" +
				"line 14: modules.secrets.(a key of 39 characters): a name has at most 31 letters, digits, -, _ and dots\n" +
				"line 15: modules.secrets.n: must be a section of names, not a text of 4 characters"},
		"grants": {
			"modules:\n  grants:\n    a:\n    b:\n      - 'Docker List'\n      - kv{\n      - kv{a,,b}\n      - kv}\n      - {scope: [x]}\n      - {capability: kv, scope: []}\n      - {capability: kv x, scope: ['  ']}\n",
			"line 8: modules.grants.a: a name without a value; write [] for none, or remove the line\n" +
				"line 10: modules.grants.b[0]: a capability is named like docker.containers.list: small letters, digits, _ and dots\n" +
				"line 11: modules.grants.b[1]: a scope stands in braces at the end: docker.containers.list{web-*,db}\n" +
				"line 12: modules.grants.b[2]: a pattern in the braces is empty\n" +
				"line 13: modules.grants.b[3]: a scope stands in braces at the end: docker.containers.list{web-*,db}\n" +
				"line 14: modules.grants.b[4].capability: is missing; name one, such as docker.containers.list\n" +
				"line 15: modules.grants.b[5].scope: is an empty list, which may be read as nothing or as everything; list patterns, or remove the grant\n" +
				"line 16: modules.grants.b[6].capability: a capability is named like docker.containers.list: small letters, digits, _ and dots\n" +
				"line 16: modules.grants.b[6].scope[0]: a pattern in the braces is empty"},
		"a second document": {
			"---\nlog: {}\n",
			"line 6: a second YAML document begins here; a configuration is one document: remove the line ---"},
		"a tab": {
			"log:\n\tlevel: INFO\n",
			"line 7: a tab in the indentation; YAML wants spaces"},
		"indentation": {
			"log:\n  level: INFO\n format: json\nstate: {dir: /s}\n",
			"line 8: this does not fit the lines above; look at the indentation and the quotes"},
		"an open quote": {
			"log:\n  level: 'INFO\n  format: json\nstate: {dir: /s}\n",
			"line 7: a quote is opened and not closed"},
		"an open bracket": {
			"chat_id:\n  global_chat_id: [1, 2\nstate: {dir: /s}\n",
			"line 7: a bracket or brace is opened and not closed; a value with braces in brackets needs quotes"},
		"an alias to nothing": {
			"log:\n  level: *secret\n",
			"line 7: a value that begins with * points to an anchor that is not there; put the value in quotes"},
		"a value that begins with @": {
			"log:\n  level: @x\n",
			"line 7: a value begins with a character that YAML keeps for itself; put the value in quotes"},
		"a colon too many": {
			"log:\n  level: a: b\n",
			"line 7: a colon where no key can be; look at the indentation, or put the value in quotes"},
		"a NUL byte": {
			"log: {level: \x00}\n",
			"line 6: a NUL byte: this is not a text file"},
		"not UTF-8": {
			"# ok\n# \xff\n",
			"line 7: not UTF-8 text; save the file as UTF-8"},
		"a control character": {
			"log: {level: \x01}\n",
			"line 6: a control character; remove it"},
	} {
		t.Run(name, func(t *testing.T) {
			want := "  " + strings.ReplaceAll(row.want, "\n", "\n  ")
			if got := refused(t, minimal(row.extra)); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestRefusalsOfWhatIsRequired(t *testing.T) {
	missing := "  bot_token.prod_token: is missing; put the token here that @BotFather gave you\n" +
		"  access_control.auth_salt: is missing; put 32 or more random characters here, such as: openssl rand -hex 32"
	for name, row := range map[string]struct{ text, want string }{
		"nothing":           {"", "  the file has no settings in it"},
		"comments only":     {"# hello\n\n", "  the file has no settings in it"},
		"an empty document": {"---\n...\n", "  the file has no settings in it"},
		"a list":            {"# hello\n- 1\n", "  line 2: a configuration is a section of keys, not a list of 1; begin with a key such as bot_token:"},
		"a word":            {"hello\n", "  line 1: a configuration is a section of keys, not a text of 5 characters; begin with a key such as bot_token:"},
		"no key":            {"{}\n", missing},
		"no value": {
			"bot_token:\naccess_control:\n  allowed_user_ids:\n  auth_salt: ''\n",
			"  line 1: bot_token.prod_token: is missing; put the token here that @BotFather gave you\n" +
				"  line 4: access_control.auth_salt: is missing; put 32 or more random characters here, such as: openssl rand -hex 32"},
		"a mistyped key is not also missing": {
			strings.Replace(minimal(""), "auth_salt", "auth_slat", 1),
			"  line 5: access_control.auth_slat: unknown key; did you mean access_control.auth_salt?"},
		"two tokens": {
			strings.Replace(minimal(""), "'"+testToken()+"'", "[a, b]", 1),
			"  line 1: bot_token.prod_token: one value is wanted, and this is a list of 2; keep one"},
		"a token with a line break": {
			strings.Replace(minimal(""), "'"+testToken()+"'", `"`+testToken()+`\n"`, 1),
			"  line 1: bot_token.prod_token: has a space or a line break in it (a text of 47 characters); copy the token again, without what is around it"},
		"a token with a percent sign": {
			strings.Replace(minimal(""), testToken(), testToken()+"%zz", 1),
			"  line 1: bot_token.prod_token: is not a bot token (a text of 49 characters); a token is digits, a colon and 30 or more letters, digits, - and _"},
		"a short token": {
			strings.Replace(minimal(""), testToken(), "123:abc", 1),
			"  line 1: bot_token.prod_token: is not a bot token (a text of 7 characters); a token is digits, a colon and 30 or more letters, digits, - and _"},
		"a malformed development token": {
			strings.Replace(minimal(""), "prod_token", "dev_bot_token: x, prod_token", 1),
			"  line 1: bot_token.dev_bot_token: is not a bot token (a text of 1 character); a token is digits, a colon and 30 or more letters, digits, - and _"},
		"a short salt": {
			strings.Replace(minimal(""), testSalt(), strings.Repeat("ab12", 7)+"é34", 1),
			"  line 5: access_control.auth_salt: has 31 characters, and 32 are needed; put 32 or more random characters here, such as: openssl rand -hex 32"},
		"admins who are not users": {
			strings.Replace(minimal(""), "[11]", "[11, 33, 44]", 1),
			"  line 4: access_control.allowed_admins_ids: admins who are not in allowed_user_ids: 33, 44; add them there, or remove them here"},
		"an admin where nobody is a user": {
			strings.Replace(minimal(""), "[11, 22]", "[]", 1),
			"  line 4: access_control.allowed_admins_ids: admins who are not in allowed_user_ids: 11; add them there, or remove them here"},
		"many admins who are not users": {
			strings.Replace(minimal(""), "[11]", "[1,2,3,4,5,6,7,8,9,10,12,13]", 1),
			"  line 4: access_control.allowed_admins_ids: admins who are not in allowed_user_ids: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more; add them there, or remove them here"},
		"a group among the users": {
			strings.Replace(minimal(""), "[11, 22]", "[11, -22]", 1),
			"  line 3: access_control.allowed_user_ids[1]: a user id is a positive number; the id of a group is negative and belongs under chat_id.global_chat_id"},
		"everybody among the users": {
			strings.Replace(minimal(""), "[11, 22]", "[11, 1087968824]", 1),
			"  line 3: access_control.allowed_user_ids[1]: 1087968824 is the id of every anonymous group admin, not of a person; remove it"},
		"topics that are none": {
			minimal("chat_id:\n  global_chat_id:\n    - -100/x\n    - -100/\n    - -100/0\n    - -100/-5\n    - -100/1\n    - 100/5\n    - -100/5/6\n    - /5\n    - x/5\n    - -100/99999999999\n    - -100/05\n"),
			strings.Join([]string{
				"  line 8: chat_id.global_chat_id[0]: must be a chat's id, or id/topic, not a text of 6 characters",
				"  line 9: chat_id.global_chat_id[1]: must be a chat's id, or id/topic, not a text of 5 characters",
				"  line 10: chat_id.global_chat_id[2]: a topic's number is positive; it is the last number but one in a link to a message of the topic",
				"  line 11: chat_id.global_chat_id[3]: a topic's number is positive; it is the last number but one in a link to a message of the topic",
				"  line 12: chat_id.global_chat_id[4]: topic 1 is General, which has no number of its own in Telegram; write the group's id alone",
				"  line 13: chat_id.global_chat_id[5]: only groups have topics, and their ids are negative; write the chat's id alone",
				"  line 14: chat_id.global_chat_id[6]: must be a chat's id, or id/topic, not a text of 8 characters",
				"  line 15: chat_id.global_chat_id[7]: must be a chat's id, or id/topic, not a text of 2 characters",
				"  line 16: chat_id.global_chat_id[8]: must be a chat's id, or id/topic, not a text of 3 characters",
				"  line 17: chat_id.global_chat_id[9]: a topic's number is positive; it is the last number but one in a link to a message of the topic",
				"  line 18: chat_id.global_chat_id[10]: a number begins with 0, which some read as octal; remove the 0",
			}, "\n")},
		"a chat id of zero": {
			minimal("  allowed_chat_ids: 0\nchat_id: {global_chat_id: 0}\n"),
			"  line 6: access_control.allowed_chat_ids[0]: a chat id is never 0; a group's id is negative, a private chat's is the user's\n" +
				"  line 7: chat_id.global_chat_id[0]: a chat id is never 0; a group's id is negative, a private chat's is the user's"},
		"the containers of a user who is not listed": {
			minimal("  containers:\n    22: [web]\n    33: [web]\n"),
			"  line 8: access_control.containers.33: restricts a user who is not in allowed_user_ids; add the id there, or remove it here"},
		"the containers of a user, none": {
			minimal("  containers: {22: []}\n"),
			"  line 6: access_control.containers.22: is an empty list, which may be read as nothing or as everything; list patterns such as web-* or label=team=blue, or remove the line"},
		"the containers of a user, nothing": {
			minimal("  containers:\n    22:\n"),
			"  line 7: access_control.containers.22: a name without a value; list patterns such as web-* or label=team=blue, or remove the line"},
		"the containers of a user, an empty text": {
			minimal("  containers:\n    22: ''\n"),
			"  line 7: access_control.containers.22: a name without a value; list patterns such as web-* or label=team=blue, or remove the line"},
		"the containers of a user, bad patterns": {
			minimal("  containers:\n    22:\n      - web-*\n      - web 1\n      - label=team\n      - image:x\n      - ''\n      - /web\n"),
			"  line 9: access_control.containers.22[1]: must not contain blanks or control characters\n" +
				"  line 10: access_control.containers.22[2]: must be label:KEY=VALUE, with a key without *\n" +
				"  line 11: access_control.containers.22[3]: must be a name, label:KEY=VALUE or project:NAME\n" +
				"  line 12: access_control.containers.22[4]: an item without a value; fill it in, or remove its line\n" +
				"  line 13: access_control.containers.22[5]: '/' cannot be in a container's name; repositories of images are for docker.images"},
		"containers of no id": {
			minimal("  containers:\n    0: [web]\n    -22: [web]\n    022: [web]\n    '+22': [web]\n    ops: [web]\n    22.0: [web]\n"),
			"  line 7: access_control.containers.0: is not a user's id, which is a positive number; write the id of a user of allowed_user_ids\n" +
				"  line 8: access_control.containers.-22: is not a user's id, which is a positive number; write the id of a user of allowed_user_ids\n" +
				"  line 9: access_control.containers.022: is not a user's id, which is a positive number; write the id of a user of allowed_user_ids\n" +
				"  line 10: access_control.containers.(a key of 3 characters): a name has at most 31 letters, digits, -, _ and dots\n" +
				"  line 11: access_control.containers.ops: is not a user's id, which is a positive number; write the id of a user of allowed_user_ids\n" +
				"  line 12: access_control.containers.22.0: is not a user's id, which is a positive number; write the id of a user of allowed_user_ids"},
		"the containers of a user twice": {
			minimal("  containers:\n    22: [web]\n    22: [db]\n"),
			"  line 8: access_control.containers.22: given twice, first in line 7; remove one"},
		"containers without users": {
			minimal("  containers: [web]\n"),
			"  line 6: access_control.containers: must be a section of names, not a list of 1"},
		"far too many patterns": {
			minimal("  containers: {22: [" + strings.Repeat("a,", 64) + "a]}\n"),
			"  line 6: access_control.containers.22: has more than 64 patterns; use * in them, or a label"},
		"one bad user makes no restriction a stray": {
			strings.Replace(minimal("  containers: {22: [web]}\n"), "[11, 22]", "[11, twenty-two]", 1),
			"  line 3: access_control.allowed_user_ids[1]: must be a whole number, not a text of 10 characters"},
		"one bad user does not make the admins strays": {
			strings.Replace(minimal(""), "[11, 22]", "[eleven, 22]", 1),
			"  line 3: access_control.allowed_user_ids[0]: must be a whole number, not a text of 6 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refused(t, row.text); got != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"nothing to warn of":       {minimal(""), ""},
		"near Bot API servers":     {minimal("telegram: {api_url: 'http://botapi:8081'}\n"), ""},
		"a private Bot API server": {minimal("telegram: {api_url: 'http://192.168.1.5:8081'}\n"), ""},
		"a far Bot API server": {
			minimal("telegram: {api_url: 'http://api.example.org'}\n"),
			"line 6: telegram.api_url: plain http to another network: everybody on the way can read the bot token; use https:// [insecure]"},
		"a far engine": {
			minimal("docker: {host: ['tcp://203.0.113.5:2375', 'tcp://[::1]:2375', 'https://203.0.113.5:2376']}\n"),
			"line 6: docker.host[0]: an engine outside this network without TLS: whoever reaches it owns that host; use https:// [insecure]"},
		"no admins": {
			strings.Replace(minimal(""), "[11]", "[]", 1),
			"line 4: access_control.allowed_admins_ids: nobody is an admin, so nobody may start or stop anything"},
		"nobody yet": {
			strings.NewReplacer("[11, 22]", "[]", "[11]", "[]").Replace(minimal("")),
			"line 3: access_control.allowed_user_ids: nobody may use the bot yet; start the bot, send it /getmyid in a private chat, where it answers anybody, and put your id here"},
		"no list of users": {
			strings.NewReplacer("  allowed_user_ids: [11, 22]\n", "", "  allowed_admins_ids: [11]\n", "").Replace(minimal("")),
			"line 2: access_control.allowed_user_ids: nobody may use the bot yet; start the bot, send it /getmyid in a private chat, where it answers anybody, and put your id here"},
		"a poor salt": {
			strings.Replace(minimal(""), testSalt(), strings.Repeat("S", 32), 1),
			"line 5: access_control.auth_salt: has fewer than 8 different characters, so it can be guessed; put 32 or more random characters here, such as: openssl rand -hex 32 [insecure]"},
		"proxies on networks of one's own": {
			minimal("webhook_config: {trusted_proxy_ips: [10.0.0.0/8, 172.16.0.0/12, 100.64.0.0/10, 127.0.0.0/8, 203.0.0.0/16, 'fd00::/16', '2001:db8::/32']}\n"), ""},
		"proxies among strangers": {
			minimal("webhook_config: {trusted_proxy_ips: [203.0.113.7, 172.0.0.0/8, 203.0.0.0/15, '2001:db8::/31']}\n"),
			"line 6: webhook_config.trusted_proxy_ips[1]: a public range wider than /16: whoever has an address in it can say that he is Telegram; write the addresses of your own proxies only [insecure]\n" +
				"line 6: webhook_config.trusted_proxy_ips[2]: a public range wider than /16: whoever has an address in it can say that he is Telegram; write the addresses of your own proxies only [insecure]\n" +
				"line 6: webhook_config.trusted_proxy_ips[3]: a public range wider than /32: whoever has an address in it can say that he is Telegram; write the addresses of your own proxies only [insecure]"},
		"wide ranges of Telegram's": {
			minimal("webhook_config: {additional_telegram_ip_ranges: [91.0.0.0/8]}\n"), ""},
		"InfluxDB in part": {
			minimal("influxdb: {url: 'http://db:1'}\n"),
			"line 6: influxdb: url without token, org and bucket: nothing is written to InfluxDB; fill them in, or remove url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := Parse([]byte(row.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := warningTexts(warnings); got != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

func TestValidateLooksAtAConfigMadeByHand(t *testing.T) {
	c := mustParse(t, minimal(""))
	if _, err := c.Validate(); err != nil {
		t.Errorf("a parsed configuration: %v", err)
	}
	c.AccessControl.AllowedUserIDs = []int64{22}
	_, err := c.Validate()
	want := "1 problem\n  access_control.allowed_admins_ids: admins who are not in allowed_user_ids: 11; add them there, or remove them here"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := new(Config).Validate(); err == nil {
		t.Error("the zero Config is valid")
	}
}
