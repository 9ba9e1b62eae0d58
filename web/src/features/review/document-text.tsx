// The text of a document with marked places, search, and selection.
import { ActionIcon, Group, Text, TextInput } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconSearch } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import classes from "./review.module.css";
import { blocks, findAll, type Range, segments } from "./text";

interface DocumentTextProps {
  text: string;
  /** The place that the active field is about. */
  place: readonly Range[];
  onSelect?: (range: Range) => void;
  /** As high as its text, up to a limit, instead of the window. */
  short?: boolean;
}

export function DocumentText({ text, place, onSelect, short = false }: DocumentTextProps) {
  const { t } = useTranslation();
  const [needle, setNeedle] = useState("");
  const [current, setCurrent] = useState(0);
  const container = useRef<HTMLDivElement>(null);
  const matches = useMemo(() => (needle.trim().length < 2 ? [] : findAll(text, needle)), [text, needle]);
  const marks = matches.length > 0 ? matches : place;
  const parts = useMemo(() => blocks(segments(text, marks)), [text, marks]);
  const active = marks.length === 0 ? 0 : current % marks.length;

  useEffect(() => {
    const box = container.current;
    const mark = box?.querySelector<HTMLElement>(`mark[data-mark="${String(active)}"]`);
    if (box === null || mark === null || mark === undefined) return;
    const top = mark.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTo({ top: Math.max(0, top - box.clientHeight / 3) });
  }, [marks, active]);

  const readSelection = (): void => {
    const selection = window.getSelection();
    const box = container.current;
    if (onSelect === undefined || box === null || selection === null || selection.rangeCount === 0 || selection.isCollapsed) return;
    const range = selection.getRangeAt(0);
    if (!box.contains(range.commonAncestorContainer)) return;
    const before = document.createRange();
    before.selectNodeContents(box);
    before.setEnd(range.startContainer, range.startOffset);
    const start = before.toString().length;
    onSelect({ start, end: start + range.toString().length });
  };
  return (
    <div className={classes["textPane"]}>
      <Group gap={6} wrap="nowrap" className={classes["textTools"]}>
        <TextInput
          className={classes["textSearch"]}
          leftSection={<IconSearch size={14} aria-hidden />}
          placeholder={t("review.searchText")}
          aria-label={t("review.searchText")}
          value={needle}
          onChange={(event) => {
            setNeedle(event.currentTarget.value);
            setCurrent(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") setCurrent((index) => index + (event.shiftKey ? marks.length - 1 : 1));
            if (event.key === "Escape") {
              setNeedle("");
              event.currentTarget.blur();
            }
          }}
        />
        {marks.length > 0 && (
          <>
            <Text size="xs" c="dimmed" className={classes["matches"]} role="status">{`${String(active + 1)}/${String(marks.length)}`}</Text>
            <ActionIcon
              aria-label={t("review.previousMatch")}
              onClick={() => {
                setCurrent((index) => index + marks.length - 1);
              }}
            >
              <IconChevronUp size={15} />
            </ActionIcon>
            <ActionIcon
              aria-label={t("review.nextMatch")}
              onClick={() => {
                setCurrent((index) => index + 1);
              }}
            >
              <IconChevronDown size={15} />
            </ActionIcon>
          </>
        )}
      </Group>
      {/* the text scrolls and can be selected, also by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={container}
        className={classes["text"]}
        data-short={short}
        role="region"
        aria-label={t("review.text")}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onMouseUp={readSelection}
        onKeyUp={readSelection}
      >
        {parts.map((block, number) => (
          <div key={number} className={classes["block"]}>
            {block.map((part, index) =>
              part.mark === undefined ? (
                <span key={index}>{part.text}</span>
              ) : (
                <mark key={index} data-mark={part.mark} data-active={part.mark === active}>
                  {part.text}
                </mark>
              ),
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
