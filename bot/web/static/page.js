// Keeps the page up to date: asks for it again, swaps the parts that changed, counts down, and sends what is confirmed.

const LIVE = "[data-live]";
const pollMs = 1000 * Number(document.body.dataset.poll);
const shown = new Map([...document.querySelectorAll(LIVE)].map((part) => [part.id, part.innerHTML]));
let lastMood = document.querySelector("#title .pill").textContent;
let lastAlert = newestAlert();

function newestAlert() {
  return document.querySelector("#alerts li")?.textContent.trim() ?? "";
}

/** The places within a part that a person may have scrolled or stands in. */
function places(part) {
  return [...part.querySelectorAll("[tabindex], a, button, input")];
}

function swap(part, html) {
  const before = places(part);
  const focused = before.indexOf(document.activeElement);
  const scrolled = before.map((place) => [place.scrollLeft, place.scrollTop]);
  part.innerHTML = html;
  const after = places(part);
  after.forEach((place, number) => {
    if (scrolled[number]) [place.scrollLeft, place.scrollTop] = scrolled[number];
  });
  if (focused >= 0) after[focused]?.focus({ preventScroll: true });
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll(LIVE)) {
    const next = fresh.getElementById(part.id)?.innerHTML;
    if (next !== undefined && next !== shown.get(part.id)) {
      shown.set(part.id, next);
      swap(part, next);
    }
  }
  countDown();
  announce();
}

/** Tells screen readers what matters, and no more. */
function announce() {
  const mood = document.querySelector("#title .pill").textContent;
  const alert = newestAlert();
  const news = [mood !== lastMood ? `The bot is ${mood}.` : "", alert !== lastAlert ? alert : ""].filter(Boolean);
  if (news.length) document.getElementById("announced").textContent = news.join(" ");
  [lastMood, lastAlert] = [mood, alert];
}

async function refresh() {
  const offline = document.getElementById("offline");
  try {
    const answer = await fetch("/", { cache: "no-cache" });
    if (answer.redirected) location.assign("/login");
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    offline.hidden = true;
  } catch {
    if (offline.hidden) {
      offline.textContent = `The bot's page has not answered since ${new Date().toISOString().slice(11, 16)} UTC: what you see is from then.`;
      offline.hidden = false;
    }
  }
}

/** Only where market time is the clock's. */
function countDown() {
  for (const place of document.querySelectorAll('.due[data-real="true"]')) {
    const left = Math.max(0, Math.round((Number(place.dataset.due) - Date.now()) / 1000));
    const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    place.textContent = left ? parts.map((part) => String(part).padStart(2, "0")).join(":") : "due";
  }
}

async function send(form) {
  const fields = [...form.querySelectorAll("[data-field]")];
  const body = Object.fromEntries(fields.map((field) => [field.dataset.field, field.value.trim()]));
  const wrong = form.querySelector('[role="alert"]');
  wrong.textContent = "";
  try {
    const answer = await fetch(form.dataset.sends, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.reset();
      form.closest("dialog").close();
    } else {
      const { detail } = await answer.json();
      wrong.textContent = typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; ");
    }
  } catch {
    wrong.textContent = "The bot's page does not answer: use `bot kill` or `bot pause` on the machine.";
  }
  await refresh();
}

for (const button of document.querySelectorAll("[data-opens]"))
  button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
for (const button of document.querySelectorAll("[data-closes]"))
  button.addEventListener("click", () => button.closest("dialog").close());
for (const form of document.querySelectorAll("[data-sends]"))
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
for (const word of document.querySelectorAll("[data-word]"))
  word.addEventListener("input", () => {
    word.form.querySelector(".danger").disabled = word.value.trim() !== word.dataset.word;
  });

async function keepFresh() {
  if (!document.hidden) await refresh();
  setTimeout(keepFresh, pollMs);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(countDown, 1000);
countDown();
setTimeout(keepFresh, pollMs);
