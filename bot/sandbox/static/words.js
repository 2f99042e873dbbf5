// The words and dates that Slack itself puts on the screen, in the language of the person who looks.

const KOREAN = {
  "Skip to the message box": "메시지 입력란으로 건너뛰기", "Not the real Slack: for laptops and tests only": "실제 Slack이 아님: 노트북과 테스트 전용",
  "Workspace": "워크스페이스", "Channels": "채널", "Apps": "앱", "You are": "현재 사용자", "Messages": "메시지", "Message": "메시지", "Send": "보내기",
  "Connection lost, trying again…": "연결이 끊어졌습니다. 다시 연결하는 중…",
  "(archived)": "(보관됨)", "This channel is archived": "보관된 채널입니다", "{} is not in this channel": "{} 앱이 이 채널에 없습니다",
  "{} unread": "읽지 않은 메시지 {}개", "{} unread, you are mentioned": "읽지 않은 메시지 {}개, 나를 언급함", "Direct messages": "다이렉트 메시지",
  "Home tab": "홈 탭", "{} has no Home tab.": "{} 앱에는 홈 탭이 없습니다.", "Its messages are in the channels:": "메시지는 채널에 있습니다:",
  "This is the very beginning of #{}.": "#{} 채널의 시작입니다.",
  "Nothing here yet.": "아직 아무것도 없습니다.", "Run {} in a terminal.": "터미널에서 {} 명령을 실행하세요.",
  "Message #{}, or {}": "#{}에 메시지 보내기, 또는 {}", "Reply…": "댓글…", "Also send to #{}": "#{} 채널에도 보내기",
  "Commands": "명령어", "{} does not work in threads.": "{} 명령은 스레드에서 사용할 수 없습니다.",
  "Only visible to you": "나에게만 표시됨", "[this cannot be shown]": "[표시할 수 없음]",
  "1 reply": "댓글 1개", "{} replies": "댓글 {}개", "Last reply: {}": "마지막 댓글: {}", "Reply in thread": "스레드에 댓글 달기",
  "replied to a thread:": "스레드에 댓글을 남김:", "Thread": "스레드", "Also sent to the channel": "채널에도 전송됨", "This message was deleted.": "삭제된 메시지입니다.",
  "Notified": "알림", "Notified: {}": "알림: {}", "Notified, mentions {}": "알림, {} 언급", "Thread only": "스레드에만", "Edited {}": "{} 편집됨",
  "New: Slack notifies people of it": "새 메시지: Slack이 사람들에게 알립니다", "Slack notifies only those who follow the thread": "Slack은 스레드를 팔로우하는 사람에게만 알립니다",
  "Slack notifies nobody of an edit": "편집은 Slack이 아무에게도 알리지 않습니다",
  "(optional)": "(선택 사항)", "Select an option": "옵션 선택", "More actions": "추가 작업",
  "Are you sure?": "계속할까요?", "Cancel": "취소", "Yes": "예", "Close": "닫기",
  "The app took too long to answer": "앱의 응답이 너무 늦습니다", "The app could not be reached": "앱에 연결할 수 없습니다", "The app answered with an error ({})": "앱이 오류로 응답했습니다({})",
  "We had some trouble connecting. Try again?": "연결에 문제가 있습니다. 다시 시도해 주세요.",
  "Please complete this required field.": "필수 입력란입니다.", "Please enter a valid email address.": "올바른 이메일 주소를 입력하세요.",
  "Please enter a valid URL.": "올바른 URL을 입력하세요.", "Please enter a valid number.": "올바른 숫자를 입력하세요.",
  "Your entry needs to be at least {} characters.": "{}자 이상 입력하세요.", "Your entry is {} characters too long.": "{}자를 초과했습니다.",
  "Today": "오늘", "Yesterday": "어제", "Tomorrow": "내일",
};

let locale = "en-US";

export function speak(wanted) {
  if (locale === wanted) return false;
  locale = wanted;
  document.documentElement.lang = locale;
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of document.querySelectorAll("[data-say-label]")) node.setAttribute("aria-label", say(node.dataset.sayLabel));
  return true;
}

// A sentence of the page; each {} is the next of the parts.
export function say(english, ...parts) {
  const sentence = (locale.startsWith("ko") && KOREAN[english]) || english;
  return sentence.replace(/\{\}/g, () => String(parts.shift()));
}

// A sentence of the sandbox, with its numbers in it; what the app says stays as it is.
export function translated(text) {
  const english = text.replace(/\d+/g, "{}");
  return Object.hasOwn(KOREAN, english) ? say(english, ...(text.match(/\d+/g) ?? [])) : text;
}

// -- dates ----------------------------------------------------------------------------------------------------------

export const clock = (at, more = {}) => at.toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit", ...more });
export const whole = (at) => at.toLocaleString(locale);
export const day = (at) => relativeDay(at) ?? at.toLocaleDateString(locale, { weekday: "long", month: "long", day: "numeric" });

function relativeDay(at) {
  const start = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((start(at) - start(new Date())) / 86_400_000);
  const name = { 0: "Today", "-1": "Yesterday", 1: "Tomorrow" }[days];
  return name ? say(name) : null;
}

// What stands for {date_short_pretty}, {time} and the like in <!date^…>; null for a token that Slack does not know.
// Inside of a sentence Slack writes "today".
export function dateToken(token, at, inside = false) {
  const pretty = token.endsWith("_pretty");
  const near = pretty ? relativeDay(at) : null;
  if (near) return inside ? near.toLowerCase() : near;
  const year = at.getFullYear() === new Date().getFullYear() && pretty ? {} : { year: "numeric" };
  const date = (parts) => at.toLocaleDateString(locale, { day: "numeric", ...parts, ...year });
  switch (token.replace("_pretty", "")) {
    case "date_num": return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    case "date": return date({ month: "long" });
    case "date_short": return date({ month: "short" });
    case "date_long": return date({ month: "long", weekday: "long" });
    case "time": return clock(at);
    case "time_secs": return clock(at, { second: "2-digit" });
    case "ago": return ago(at);
    default: return null;
  }
}

const two = (number) => String(number).padStart(2, "0");

function ago(at) {
  const minutes = Math.round((at.getTime() - Date.now()) / 60_000);
  const said = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (minutes > -60) return said.format(minutes, "minute");
  return minutes > -1440 ? said.format(Math.round(minutes / 60), "hour") : said.format(Math.round(minutes / 1440), "day");
}
