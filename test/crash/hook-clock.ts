/** From now on this process's wall clock is ahead of the machine's by so many ms (behind, when negative). */
export function shiftClock(ms: number): void {
  const RealDate = Date;
  class ShiftedDate extends RealDate {
    constructor(...args: [] | [number | string | Date]) {
      if (args.length === 0) super(RealDate.now() + ms);
      else super(...(args as [number]));
    }
    static override now(): number {
      return RealDate.now() + ms;
    }
  }
  // Dates made before, by the runtime itself or in another realm, are dates too.
  Object.defineProperty(ShiftedDate, Symbol.hasInstance, { value: (value: unknown) => isDate(value) });
  globalThis.Date = ShiftedDate as DateConstructor;
  const origin = performance.timeOrigin + ms;
  Object.defineProperty(performance, 'timeOrigin', { configurable: true, get: () => origin });
}

function isDate(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Date]';
}
