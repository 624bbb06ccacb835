/**
 * Line plots as SVG text, enough for the accuracy report: panels in a grid, linear and logarithmic axes, lines, filled areas,
 * points and rules. White background, so that light and dark pages show the same; no script, no font, no dependency.
 * Pure: data in, text out. Values outside an axis are drawn at its edge.
 */

export interface Axis {
  /** With the unit. */
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly log?: boolean;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export interface Mark {
  readonly kind: 'line' | 'area' | 'points';
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly color: string;
  /** Of a line or the radius of a point, px. Default 1.5. */
  readonly width?: number;
  readonly dash?: string;
  /** 0..1, default 1. */
  readonly opacity?: number;
  /** In the legend; marks of one name show once. */
  readonly name?: string;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  /** Later ones over earlier ones. */
  readonly marks: readonly Mark[];
}

export interface Layout {
  /** Panels beside each other. */
  readonly columns: number;
  /** Of one panel's plotting area, px. */
  readonly width: number;
  readonly height: number;
  /** Room for the labels of the y axis, px. Default 58. */
  readonly left?: number;
}

const TOP = 26;
const BOTTOM = 42;
const RIGHT = 16;
const LEGEND_ROW = 18;
const FONT = 'font-family="Helvetica,Arial,sans-serif"';

/** One picture with all panels and one legend below them. `description` is for those who cannot see it. */
export function formatSvg(description: string, panels: readonly Panel[], layout: Layout): string {
  const left = layout.left ?? 58;
  const cellWidth = left + layout.width + RIGHT;
  const cellHeight = TOP + layout.height + BOTTOM;
  const columns = Math.min(layout.columns, panels.length);
  const width = columns * cellWidth;
  const bodyHeight = Math.ceil(panels.length / columns) * cellHeight;
  const legend = formatLegend(panels, bodyHeight, width);
  const body = panels.map((panel, i) => {
    const x = (i % columns) * cellWidth + left;
    const y = Math.floor(i / columns) * cellHeight + TOP;
    return `<g transform="translate(${x},${y})">${formatPanel(panel, layout.width, layout.height, left)}</g>`;
  });
  const height = bodyHeight + legend.height;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ${FONT}>`,
    `<title>${escapeText(description)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...body,
    legend.text,
    '</svg>',
    '',
  ].join('\n');
}

function formatPanel({ title, x, y, marks }: Panel, width: number, height: number, left: number): string {
  const toX = scaleOf(x, 0, width);
  const toY = scaleOf(y, height, 0);
  const grid = [
    ...y.ticks.map(({ at }) => `<path d="M0 ${px(toY(at))}H${width}"/>`),
    ...x.ticks.map(({ at }) => `<path d="M${px(toX(at))} 0V${height}"/>`),
  ];
  const labels = [
    ...x.ticks.map(
      ({ at, text }) => `<text x="${px(toX(at))}" y="${height + 14}" text-anchor="middle">${escapeText(text)}</text>`,
    ),
    ...y.ticks.map(
      ({ at, text }) => `<text x="-6" y="${px(toY(at) + 3.5)}" text-anchor="end">${escapeText(text)}</text>`,
    ),
    `<text x="${width / 2}" y="${height + 30}" text-anchor="middle">${escapeText(x.label)}</text>`,
    ...(y.label === ''
      ? []
      : [
          `<text transform="translate(${12 - left},${height / 2}) rotate(-90)" text-anchor="middle">${escapeText(y.label)}</text>`,
        ]),
  ];
  return [
    `<text y="-9" font-size="12" font-weight="bold" fill="#222">${escapeText(title)}</text>`,
    `<g stroke="#e4e4e4" fill="none">${grid.join('')}</g>`,
    `<g font-size="10" fill="#444">${labels.join('')}</g>`,
    ...marks.map((mark) => formatMark(mark, toX, toY)),
    `<path d="M0 0V${height}H${width}" fill="none" stroke="#666"/>`,
  ].join('\n');
}

function formatMark(mark: Mark, toX: (x: number) => number, toY: (y: number) => number): string {
  const { kind, points, color, width = 1.5, dash, opacity } = mark;
  const faint = opacity === undefined ? '' : ` opacity="${opacity}"`;
  if (kind === 'points') {
    const dots = points.map(([x, y]) => `<circle cx="${px(toX(x))}" cy="${px(toY(y))}" r="${width}"/>`);
    return `<g fill="${color}"${faint}>${dots.join('')}</g>`;
  }
  const path = `M${points.map(([x, y]) => `${px(toX(x))} ${px(toY(y))}`).join('L')}`;
  if (kind === 'area') return `<path d="${path}Z" fill="${color}"${faint}/>`;
  const dashed = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
  return `<path d="${path}" fill="none" stroke="${color}" stroke-width="${width}"${dashed}${faint}/>`;
}

function formatLegend(panels: readonly Panel[], top: number, width: number): { text: string; height: number } {
  const named = new Map<string, Mark>();
  // What is drawn last lies on top and is named first.
  const marks = panels.flatMap((panel) => panel.marks).reverse();
  for (const mark of marks) if (mark.name !== undefined) named.set(mark.name, mark);
  let x = 16;
  let y = top + LEGEND_ROW / 2;
  const entries = [...named].map(([name, mark]) => {
    const length = 44 + 6.2 * name.length;
    if (x + length > width && x > 16) {
      x = 16;
      y += LEGEND_ROW;
    }
    const key = { ...mark, points: mark.kind === 'points' ? [[10, 0] as const] : LEGEND_KEYS[mark.kind] };
    const text = `<g transform="translate(${px(x)},${y})">${formatMark(key, same, same)}<text x="26" y="4" font-size="11" fill="#222">${escapeText(name)}</text></g>`;
    x += length;
    return text;
  });
  return { text: entries.join('\n'), height: entries.length > 0 ? y - top + LEGEND_ROW : 0 };
}

const same = (value: number): number => value;
const LEGEND_KEYS: Readonly<Record<'line' | 'area', readonly (readonly [number, number])[]>> = {
  line: [
    [0, 0],
    [20, 0],
  ],
  area: [
    [0, -5],
    [20, -5],
    [20, 5],
    [0, 5],
  ],
};

function scaleOf({ min, max, log }: Axis, from: number, to: number): (value: number) => number {
  const map = log ? Math.log : same;
  const low = map(min);
  const span = map(max) - low;
  return (value) => from + ((to - from) * (map(Math.min(max, Math.max(min, value))) - low)) / span;
}

/** About `count` round numbers within the bounds. */
export function roundTicks(min: number, max: number, count: number): number[] {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let at = Math.ceil(min / step) * step; at <= max + step * 1e-9; at += step)
    ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
