// Hands the token over once; the browser keeps a cookie in its place.
const form = document.getElementById("login");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = document.getElementById("wrong");
  wrong.textContent = "";
  try {
    const answer = await fetch("/api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: document.getElementById("token").value }),
    });
    if (answer.ok) location.assign("/");
    else wrong.textContent = (await answer.json()).detail;
  } catch {
    wrong.textContent = "The bot does not answer.";
  }
});
