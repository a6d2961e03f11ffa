// Nothing needs this. It tells the server which clock the viewer has, once, where nobody has chosen one.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("recurrence_zone=")) {
  document.cookie = `recurrence_zone=${encodeURIComponent(zone)}; path=/internal/ui; max-age=31536000; samesite=strict`;
  if (document.cookie.includes("recurrence_zone=")) location.reload();
}
