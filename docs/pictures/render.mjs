// Makes the pages that the pictures are taken of: `node render.mjs NAME light|dark > page.html`.
//
// NAME.snap holds what the daemon sent in a scenario of the tests (tests/it/acceptance/pictures.rs).
// Nothing is made up here but what Slack and a telephone put around it, and the headings.

import { readFileSync } from 'node:fs';
import { blocks } from './blocks.mjs';

const here = (name) => new URL(name, import.meta.url);

/** What was shown in a scenario, oldest first. */
function told(name) {
  const text = readFileSync(here(`${name}.snap`), 'utf8');
  return JSON.parse(text.slice(text.indexOf('\n---\n', 3) + 5));
}

const minute = (at) => at.slice(0, 5);

function message({ at, html, edited, above = '', below = '' }) {
  return `<div class="message"><div class="face">⌁</div><div class="said">
    <div class="who"><b>Tripline</b><span class="app">APP</span><time>${minute(at)}</time></div>
    ${above}${html}${edited ? '<span class="edited">(edited)</span>' : ''}${below}</div></div>`;
}

/** The channel at a moment: its message as it reads then, and what was said in the channel since another. */
function channel(all, name, since, until) {
  const here = all.filter((it) => it.channel === name && it.at <= until);
  const first = here.find((it) => it.kind === 'post');
  const last = here.filter((it) => it.kind !== 'reply').at(-1);
  const replies = here.filter((it) => it.kind === 'reply');
  if (!first) throw new Error(`nothing in ${name} before ${until}`);
  const count = replies.length;
  const below = count ? `<div class="replies">${count} ${count > 1 ? 'replies' : 'reply'}</div>` : '';
  const root = { at: first.at, html: blocks(last.blocks), edited: last.kind === 'edit', below };
  const headline = first.blocks[0].text.text;
  const above = `<div class="above">replied to a thread: <a>${headline}</a></div>`;
  const shown = replies.filter((it) => it.broadcast && it.at > since);
  const besides = shown.map((it) => message({ at: it.at, html: blocks(it.blocks), above }));
  return [message(root), ...besides].join('\n');
}

function thread(all, name) {
  const replies = all.filter((it) => it.channel === name && it.kind === 'reply');
  if (!replies.some((it) => it.broadcast)) throw new Error(`nothing was broadcast in ${name}`);
  return replies.map((it) => message({ at: it.at, html: blocks(it.blocks) })).join('\n');
}

const pane = (bar, inside) => `<div class="slack"><div class="bar">${bar}</div>${inside}</div>`;

const figure = (time, title, text, inside) =>
  `<figure><figcaption><time>${time}</time><b>${title}</b><p>${text}</p></figcaption>${inside}</figure>`;

function incident() {
  const all = told('incident');
  let since = '';
  const at = (until, title, text, name) => {
    const last = all.filter((it) => it.channel === name && it.at <= until).at(-1);
    if (!last || last.at <= since) throw new Error(`nothing happens in ${name} before ${until}`);
    const shown = figure(minute(last.at), title, text, pane(name, channel(all, name, since, until)));
    since = until;
    return shown;
  };
  return `<div class="two">
    ${at('02:10:59', 'It fails for the first time', 'One message in #p2. Nobody is woken.', '#p2')}
    ${at('02:11:59', 'It fails again', 'A message in #p1, and an SMS to Ana.', '#p1')}
    ${at('02:13:29', 'Nobody has answered for three minutes', 'Bo gets an SMS. #p1 is told in the channel once more: a reply, broadcast.', '#p1')}
    ${at('02:13:59', 'Bo presses Acknowledge', 'The message turns yellow. Nobody else is woken.', '#p1')}
    ${at('02:19:59', 'It passes again', 'The message turns green. What woke people ends with a word in the channel.', '#p1')}
    ${figure('', 'The thread of the message', 'Every change is a reply, for those who follow it.', pane('Thread <small>#p1</small>', thread(all, '#p1')))}
  </div>`;
}

function storm() {
  const digests = told('storm').filter((it) => it.channel === '#p2' && it.text.includes('|All incidents>'));
  if (digests.length < 2) throw new Error('there is no digest of the ends');
  const inside = digests.map((it) => message({ at: it.at, html: blocks(it.blocks) })).join('\n');
  return `<div class="one">${figure('', 'Fourteen checks fail at once', 'The first five are told one by one, the rest in one message; so are the ends.', pane('#p2', inside))}</div>`;
}

/** Telephones know no markup. */
const plain = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function telephone(who, all) {
  let last = '';
  const bubbles = all.flatMap((it) => {
    const stamp = minute(it.at) === last ? '' : `<div class="stamp">${minute(it.at)}</div>`;
    last = minute(it.at);
    const theirs = (text) => `<div class="bubble theirs">${plain(text).replace(/https?:\S+/, '<u>$&</u>')}</div>`;
    if (it.kind === 'sms') return [stamp, theirs(it.text)];
    return [stamp, `<div class="bubble ours">${plain(it.text)}</div>`, theirs(it.answered)];
  });
  return `<div class="telephone"><div class="bar">${who}</div>${bubbles.join('\n')}</div>`;
}

function sms() {
  const of = (name, person) => told(name).filter((it) => it.to === person || it.from === person);
  const storm = of('storm', 'ana').filter((it) => it.text.startsWith('Tripline'));
  if (!storm.length) throw new Error('there is no digest');
  const alone = of('storm', 'ana').slice(0, 1);
  return `<div class="two">
    ${figure('', 'An incident', 'Bo asks what can be answered, and takes it.', telephone('+1 500 555 0006', of('sms', 'bo')))}
    ${figure('', 'A storm', 'After five messages, the rest together.', telephone('+1 500 555 0006', [...alone, ...storm]))}
  </div>`;
}

const pages = { incident, storm, sms };
const [name, theme] = process.argv.slice(2);
if (!pages[name] || !['light', 'dark'].includes(theme)) {
  throw new Error('render.mjs incident|storm|sms light|dark');
}
const style = readFileSync(here('style.css'), 'utf8');
const inside = pages[name]();
process.stdout.write(`<!doctype html><html class="${theme}"><head><meta charset="utf-8">
<title>${name}</title><style>${style}</style></head><body>${inside}
<script>document.title = 'height ' + document.documentElement.getBoundingClientRect().height;</script>
</body></html>\n`);
