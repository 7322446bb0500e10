package docker

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLabelsWithSecrets(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{"DB_PASSWORD", "hunter2", masked},
		{"db.pwd", "hunter2", masked},
		{"com.example.api-token", "abc", masked},
		{"ClientSecret", "abc", masked},
		{"AWS_ACCESS_KEY_ID", "AKIA", masked},
		{"GOOGLE_CREDENTIALS", "{}", masked},
		{"SENTRY_DSN", "https://x@sentry.io/1", masked},
		{"traefik.http.middlewares.a.basicauth.users", "u:$apr1$x", masked},
		{"authorization", "Basic x", masked},
		{"DB_PASSWORD", "", ""},
		{"DATABASE_URL", "postgres://bob:hunter2@db/app", "postgres://•••@db/app"},
		{"REPO_URL", "https://ghp_abc@github.com/a/b", "https://•••@github.com/a/b"},
		{"URL", "amqp://u:p@ss/wo:rd@h1:5672/v", "amqp://•••@h1:5672/v"},
		{"URL", "https://example.com:8443/a@b", "https://•••@b"}, // too much, rather than too little
		{"URL", "https://example.com/a?b=c", "https://example.com/a?b=c"},
		{"org.opencontainers.image.authors", "Ada", "Ada"},
		{"author", "Ada", "Ada"},
		{"author_token", "x", masked},
		{"maintainer", "ops@example.com", "ops@example.com"},
		{"com.docker.compose.project", "shop", "shop"},
		{"note", `{"password":"hunter2","user":"bob"}`, `{"password":•••,"user":"bob"}`},
		{"db_pw", "hunter2", masked},
		{"PW", "hunter2", masked},
		{"design", "blue", "blue"},
		{"signal", "TERM", "TERM"},
		{"URL", "https://h.blob.core.example/x?sv=2020&sig=ab%2Bc&se=2030", "https://h.blob.core.example/x?sv=2020&sig=•••&se=2030"},
		{"URL", "https://h/x?X-Amz-Signature=abc&y=1", "https://h/x?X-Amz-Signature=•••&y=1"},
		{"URL", "https://h/x?signature=abc&pw=def&design=blue", "https://h/x?signature=•••&pw=•••&design=blue"},
		{"alert", "post to https://hooks.slack.com/services/T0/B0/xyz now", "post to https://hooks.slack.com/services/••• now"},
		{"alert", "https://discord.com/api/webhooks/1/xyz", "https://discord.com/api/webhooks/•••"},
		{"alert", "https://api.telegram.org/bot1:xyz/getMe", "https://api.telegram.org/bot•••"},
		{"alert", "https://hooks.slack.com/docs", "https://hooks.slack.com/docs"},
		{"note", "curl -u bob:hunter2 https://h", "curl -u bob:••• https://h"},
		{"note", "see https://h/x?token=abc&page=2", "see https://h/x?token=•••&page=2"},
	} {
		if got := maskValue(tc.name, tc.value); got != tc.want {
			t.Errorf("%s=%s\n got %s\nwant %s", tc.name, tc.value, got, tc.want)
		}
	}
}

func TestCommandsWithSecrets(t *testing.T) {
	for _, tc := range []struct{ words, want []string }{
		{[]string{"nginx", "-g", "daemon off;"}, []string{"nginx", "-g", "daemon off;"}},
		{[]string{"redis-server", "--requirepass", "hunter2"}, []string{"redis-server", "--requirepass", masked}},
		{[]string{"app", "--password=hunter2"}, []string{"app", "--password=•••"}},
		{[]string{"app", "--password=a=b c"}, []string{"app", "--password=•••"}},
		{[]string{"app", "--token", "-abc"}, []string{"app", "--token", masked}},
		{[]string{"app", "--token", "--secret", "x"}, []string{"app", "--token", masked, masked}},
		{[]string{"app", "-p", "8080"}, []string{"app", "-p", "8080"}},
		{[]string{"app", "--port", "8080"}, []string{"app", "--port", "8080"}},
		{[]string{"env", "PGPASSWORD=hunter2", "psql"}, []string{"env", "PGPASSWORD=•••", "psql"}},
		{[]string{"java", "-Dspring.datasource.password=hunter2"}, []string{"java", "-Dspring.datasource.password=•••"}},
		{[]string{"app", "--opts=user=a,password=b"}, []string{"app", "--opts=user=a,password=•••"}},
		{[]string{"app", "postgres://bob:hunter2@db/app"}, []string{"app", "postgres://•••@db/app"}},
		{[]string{"app", "https://u:p@h/?token=x"}, []string{"app", "https://•••@h/?token=•••"}},
		{[]string{"curl", "-H", "Authorization: Bearer abc.def"}, []string{"curl", "-H", "Authorization: •••"}},
		{[]string{"curl", "-H", "X-Api-Key:abc"}, []string{"curl", "-H", "X-Api-Key:•••"}},
		{[]string{"curl", "-u", "bob:hunter2", "https://h"}, []string{"curl", "-u", "bob:•••", "https://h"}},
		{[]string{"curl", "-ubob:hun ter2"}, []string{"curl", "-ubob:•••"}},
		{[]string{"curl", "-U", "bob:hun:ter2"}, []string{"curl", "-U", "bob:•••"}},
		{[]string{"curl", "--user", "bob:hun ter2"}, []string{"curl", "--user", "bob:•••"}},
		{[]string{"curl", "--user=bob:hun ter2"}, []string{"curl", "--user=bob:•••"}},
		{[]string{"curl", "--proxy-user", ":hunter2"}, []string{"curl", "--proxy-user", ":•••"}},
		{[]string{"curl", "--proxy-user=bob:hunter2"}, []string{"curl", "--proxy-user=bob:•••"}},
		{[]string{"app", "-u", "nobody"}, []string{"app", "-u", "nobody"}},
		{[]string{"app", "--user=nobody"}, []string{"app", "--user=nobody"}},
		{[]string{"app", "--username", "a:b"}, []string{"app", "--username", "a:b"}},
		{[]string{"app", "-url=http://h:80"}, []string{"app", "-url=http://h:80"}},
		{[]string{"python", "-u", "-m", "app"}, []string{"python", "-u", "-m", "app"}},
		{[]string{"app", "--pw", "hunter2"}, []string{"app", "--pw", masked}},
		{[]string{"app", "--pw=hunter2"}, []string{"app", "--pw=•••"}},
		{[]string{"app", "--db-pw", "-x"}, []string{"app", "--db-pw", masked}},
		{[]string{"app", "--sig-proxy=false"}, []string{"app", "--sig-proxy=false"}},
		{[]string{"mysqldump", "-uroot", "-phunter2", "shop"}, []string{"mysqldump", "-uroot", "-p•••", "shop"}},
		{[]string{"/usr/bin/mariadb", "-p", "shop"}, []string{"/usr/bin/mariadb", "-p", "shop"}},
		{[]string{"nginx", "-p/etc/nginx"}, []string{"nginx", "-p/etc/nginx"}},
		{[]string{"sh", "-c", "curl -u bob:hun;ter2 https://h && id -u"}, []string{"sh", "-c", "curl -u bob:••• https://h && id -u"}},
		{[]string{"sh", "-c", `curl --user "bob:hun ter2" h; curl -u 'bob:a b' h`}, []string{"sh", "-c", `curl --user "bob:•••" h; curl -u 'bob:•••' h`}},
		{[]string{"sh", "-c", `curl -u \"bob:hunter2\" -ubob:hunter2 h`}, []string{"sh", "-c", `curl -u \"bob:•••" -ubob:••• h`}},
		{[]string{"sh", "-c", "set -u; exec su -u www app:run"}, []string{"sh", "-c", "set -u; exec su -u www app:run"}},
		{[]string{"sh", "-c", "mysqladmin -h db -phunter2 ping; nc -p80"}, []string{"sh", "-c", "mysqladmin -h db -p••• ping; nc -p80"}},
		{[]string{"sh", "-c", "app --pw hunter2 --design blue"}, []string{"sh", "-c", "app --pw ••• --design blue"}},
		{[]string{"sh", "-c", "export TOKEN='a b'; run --secret s3 --port 80"}, []string{"sh", "-c", "export TOKEN=•••; run --secret ••• --port 80"}},
		{[]string{"sh", "-c", "PASSWORD=\"x y\" exec app"}, []string{"sh", "-c", "PASSWORD=•••"}},
		{[]string{"sh", "-c", `echo "{\"password\":\"x\"}"`}, []string{"sh", "-c", `echo "{\"password\":\•••}"`}},
		{[]string{"sh", "-c", "author: password=x"}, []string{"sh", "-c", "author: password=•••"}},
		{[]string{"sh", "-c", "send Bearer abcdefgh12345"}, []string{"sh", "-c", "send Bearer •••"}},
	} {
		if got := maskCommand(tc.words); !slices.Equal(got, tc.want) {
			t.Errorf("%q\n got %q\nwant %q", tc.words, got, tc.want)
		}
	}
}

// A secret that follows a secret name in any of the usual ways never comes out.
func FuzzMaskHidesTheSecret(f *testing.F) {
	for _, s := range []string{"hunter2", "p@ss/w:rd", "-dash", "a=b", "é\u202e"} {
		f.Add(s, "before ", " after")
	}
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < 6 || !utf8.ValidString(secret) || strings.ContainsFunc(secret, separates) || strings.Contains(before+after, secret) || strings.Contains(masked, secret) {
			return
		}
		words := maskCommand([]string{before, "--password=" + secret, "--token", secret, "X_KEY=" + secret,
			"-u", "bob:" + secret, "--user=bob:" + secret, "sh -c 'curl -u bob:" + secret + "'", "https://h/?sig=" + secret, after})
		if strings.Contains(strings.Join(words, "\x00"), secret) {
			t.Errorf("words show %q: %q", secret, words)
		}
	})
}

func separates(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'&;|=•`, r) }
