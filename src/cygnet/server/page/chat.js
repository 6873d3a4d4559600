// The page talks to the server as any client does: /v1/models and /v1/chat/completions. All text is put in as text.

const find = (id) => document.getElementById(id);
const messages = []; // the conversation, without the system message
let underWay = null; // what aborts the answer that is being written

function headers() {
  const key = find("key").value.trim();
  return { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
}

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers() });
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Error(told?.error?.message ?? `the server answered ${response.status}.`);
}

async function showModel() {
  try {
    const { data } = await (await ask("/v1/models")).json();
    find("model").textContent = data[0].id;
  } catch (error) {
    find("model").textContent = error.message;
  }
}

/** The objects of a stream of server-sent events. */
async function* events(body) {
  let rest = "";
  for await (const text of readable(body.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

/** A stream's pieces; not every browser can walk over a stream itself. */
async function* readable(stream) {
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

function addTurn(role, text = "") {
  const turn = find("turn").content.cloneNode(true).firstElementChild;
  turn.classList.add(role);
  turn.querySelector("h2").textContent = role === "user" ? "You" : "Assistant";
  turn.querySelector("p").textContent = text;
  find("talk").append(turn);
  scrollDown();
  return turn;
}

function scrollDown() {
  find("talk").scrollTop = find("talk").scrollHeight;
}

const percent = (logprob) => `${(100 * Math.exp(logprob)).toFixed(logprob > -4.6 ? 0 : 2)} %`;

/** Each token as an element that knows how likely it was, and what else could have stood in its place. */
function showChances(paragraph, text, tokens) {
  if (tokens.map(({ token }) => token).join("") !== text) return; // characters of several tokens stay plain
  paragraph.replaceChildren(...tokens.map(({ token, logprob, top_logprobs: top }) => {
    const span = document.createElement("span");
    span.textContent = token;
    span.style.setProperty("--chance", Math.exp(logprob));
    const others = top.filter((other) => other.token !== token);
    span.title = [`${JSON.stringify(token)} ${percent(logprob)}`,
      ...others.map((other) => `instead: ${JSON.stringify(other.token)} ${percent(other.logprob)}`)].join("\n");
    return span;
  }));
}

function question() {
  const system = find("system").value.trim();
  return JSON.stringify({
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
    temperature: find("temperature").valueAsNumber,
    top_p: find("top_p").valueAsNumber,
    max_tokens: find("max_tokens").valueAsNumber,
    stream: true,
    stream_options: { include_usage: true },
    logprobs: true,
    top_logprobs: 5,
  });
}

async function answer() {
  const turn = addTurn("assistant");
  const [paragraph, footer] = [turn.querySelector("p"), turn.querySelector("footer")];
  let text = "";
  busy(new AbortController());
  try {
    const options = { method: "POST", body: question(), signal: underWay.signal };
    const response = await ask("/v1/chat/completions", options);
    for await (const { choices, usage } of events(response.body)) {
      const [choice] = choices;
      text += choice?.delta?.content ?? "";
      if (choice?.delta?.content) {
        paragraph.textContent = text;
        scrollDown();
      }
      if (choice?.logprobs) showChances(paragraph, text, choice.logprobs.content);
      if (choice?.finish_reason === "length") footer.textContent = "Cut off: no more tokens were allowed. ";
      if (usage) footer.textContent += `${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written`;
    }
  } catch (error) {
    const stopped = error.name === "AbortError";
    turn.classList.toggle("failed", !stopped);
    footer.textContent = stopped ? "Stopped." : error.message;
  } finally {
    busy(null);
  }
  return text;
}

function busy(controller) {
  underWay = controller;
  find("stop").hidden = !controller;
  find("send").hidden = Boolean(controller);
}

async function send(event) {
  event.preventDefault();
  const words = find("words").value.trim();
  if (!words || underWay) return;
  find("words").value = "";
  messages.push({ role: "user", content: words });
  addTurn("user", words);
  const conversation = messages.length;
  const text = await answer();
  if (messages.length !== conversation) return; // a new conversation was begun meanwhile
  if (text) messages.push({ role: "assistant", content: text });
  else messages.pop(); // it was not answered: the next question stands alone
}

find("ask").addEventListener("submit", send);
find("words").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
});
find("stop").addEventListener("click", () => underWay?.abort());
find("anew").addEventListener("click", () => {
  underWay?.abort();
  messages.length = 0;
  find("talk").replaceChildren();
  find("words").focus();
});
find("settings").addEventListener("submit", (event) => event.preventDefault());
find("key").addEventListener("change", showModel);
showModel();
