// What every script of the pages uses: elements, and requests that fail in the server's words.
export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export async function ask(address, options) {
  let answer;
  try { answer = await fetch(address, options); } catch { throw new Error("The server does not answer. Start kedro review again and open the address it prints; nothing that was saved is lost."); }
  if (answer.ok) return answer;
  let words = (await answer.text()).trim();
  try { words = JSON.parse(words).problem; } catch { /* plain words */ }
  throw new Error(words || `The server answered ${answer.status}.`);
}

export const fetchJson = async (address, options) => (await ask(address, options)).json();
export const post = (address, body) => fetchJson(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
