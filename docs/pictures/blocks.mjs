// Block Kit as Slack shows it, for what Tripline sends: headers, sections with text or fields, contexts
// and buttons. Source: https://docs.slack.dev/reference/block-kit/blocks
//
// Anything else is an error, so that no picture leaves out what is sent.

const escape = (text) => text.replaceAll('"', '&quot;');

/** Slack's markup. `&`, `<` and `>` in it are escaped already, as they are in HTML. */
export function markup(text) {
  const kept = [];
  const keep = (html) => `\u0000${kept.push(html) - 1}\u0000`;
  const html = text
    .replace(/```\n?([\s\S]*?)\n?```/g, (_, code) => keep(`<pre>${code}</pre>`))
    .replace(/`([^`\n]+)`/g, (_, code) => keep(`<code>${code}</code>`))
    .replace(/<([^|>]+)\|([^>]+)>/g, (_, url, label) => keep(`<a href="${escape(url)}">${label}</a>`))
    .replace(/<(https?:[^>]+)>/g, (_, url) => keep(`<a href="${escape(url)}">${url}</a>`))
    .replace(/(^|[\s(])\*([^*\n]+)\*/g, '$1<b>$2</b>')
    .replace(/(^|[\s(])_([^_\n]+)_/g, '$1<i>$2</i>')
    .replace(/(^|[\s(])~([^~\n]+)~/g, '$1<s>$2</s>')
    .replace(/^&gt; ?(.*)$/gm, '<blockquote>$1</blockquote>')
    .replaceAll('\n', '<br>')
    .replace(/\u0000(\d+)\u0000/g, (_, at) => kept[Number(at)]);
  return html.replaceAll('<br><pre>', '<pre>').replaceAll('</pre><br>', '</pre>');
}

const words = (object) => {
  if (object.type === 'mrkdwn') return markup(object.text);
  if (object.type === 'plain_text') return object.text.replaceAll('\n', '<br>');
  throw new Error(`a text of type ${object.type}`);
};

function button(element) {
  if (element.type !== 'button') throw new Error(`an element of type ${element.type}`);
  return `<span class="button ${element.style ?? ''}">${words(element.text)}</span>`;
}

function block(it) {
  switch (it.type) {
    case 'header':
      return `<h3>${words(it.text)}</h3>`;
    case 'section': {
      const fields = (it.fields ?? []).map((field) => `<div>${words(field)}</div>`).join('');
      const text = it.text ? `<div class="text">${words(it.text)}</div>` : '';
      return text + (fields && `<div class="fields">${fields}</div>`);
    }
    case 'context':
      return `<div class="context">${it.elements.map(words).join(' ')}</div>`;
    case 'actions':
      return `<div class="actions">${it.elements.map(button).join('')}</div>`;
    case 'divider':
      return '<hr>';
    default:
      throw new Error(`a block of type ${it.type}`);
  }
}

/** All blocks of a message. */
export const blocks = (all) => all.map(block).join('\n');
