// Scrolls the chosen tab into view: on a narrow screen, the row of tabs is wider than the page.
import { useEffect } from "react";

export function useVisibleTab(tab: string): void {
  useEffect(() => {
    document.querySelector('#main [role="tab"][aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
}
