// Mouse, touch and pen input on the map: drag, throw, pinch, wheel, hover, tap.

const TAP_PX = 6;

/**
 * Listen to a canvas.
 * @param on {hover(px, py, type), leave(), down(), tap(px, py), double(px, py), wheel(event): boolean}
 */
export function listen(canvas, camera, on) {
  const touching = new Map();
  let moved = false;
  let trace = [];
  let tapped = { time: 0 };

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const spread = () => {
    const [a, b] = [...touching.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, far: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    on.down();
    camera.stop();
    touching.set(event.pointerId, place(event));
    moved = touching.size > 1;
    trace = [];
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = touching.get(event.pointerId);
    if (!before) return on.hover(...now, event.pointerType);
    if (touching.size === 1) {
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      if (!moved && Math.hypot(dx, dy) < TAP_PX) return;
      moved = true;
      on.leave();
      camera.panBy(dx, dy);
      trace.push([event.timeStamp, dx, dy]);
      touching.set(event.pointerId, now);
    } else if (touching.size === 2) {
      const old = spread();
      touching.set(event.pointerId, now);
      const fresh = spread();
      camera.panBy(fresh.x - old.x, fresh.y - old.y);
      if (old.far > 0) camera.zoomAt(fresh.x, fresh.y, fresh.far / old.far);
    }
  });

  const up = (event) => {
    if (!touching.delete(event.pointerId)) return;
    if (touching.size) return;
    const at = place(event);
    if (moved) {
      // The speed of the last 80 ms, so that a drag that came to rest stays at rest.
      const recent = trace.filter(([time]) => event.timeStamp - time < 80);
      const span = recent.length > 1 ? Math.max(event.timeStamp - recent[0][0], 16) : Infinity;
      const sum = (axis) => recent.reduce((total, step) => total + step[axis], 0);
      camera.throw(sum(1) / span, sum(2) / span);
    } else if (event.type === "pointerup") {
      const near = Math.hypot(at[0] - tapped.x, at[1] - tapped.y) < 24;
      if (event.timeStamp - tapped.time < 320 && near) {
        tapped = { time: 0 };
        on.double(...at);
      } else {
        tapped = { time: event.timeStamp, x: at[0], y: at[1] };
        on.tap(...at);
      }
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => touching.size || on.leave());

  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!on.wheel(event)) return;
      event.preventDefault();
      camera.stop();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const strength = event.ctrlKey ? 0.01 : 0.0018;
      const delta = Math.max(-240, Math.min(240, event.deltaY * lines));
      camera.zoomAt(...place(event), Math.exp(-delta * strength));
    },
    { passive: false },
  );
}
