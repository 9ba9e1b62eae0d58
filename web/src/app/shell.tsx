// Frame of all pages: sections, account, command palette and help.
import { ActionIcon, Menu, Modal, Tooltip, useMantineColorScheme } from "@mantine/core";
import {
  IconActivity,
  IconBox,
  IconChecklist,
  IconDatabase,
  IconHelp,
  IconDevices,
  IconLanguage,
  IconLogout,
  IconMoon,
  IconPlayerPlay,
  IconSearch,
  IconSun,
  IconUserShield,
  IconUserCircle,
} from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { type ComponentType, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { sessionQuery, signOut } from "../api/session";
import { type Shortcut, useRegisteredShortcuts, useShortcuts } from "../components/shortcuts";
import { useToasts } from "../components/toast";
import { chooseLanguage, LANGUAGES } from "../i18n";
import { CommandPalette } from "./palette";
import { ServiceNotice } from "./service-notice";
import { useCan, useSession } from "./session";
import classes from "./shell.module.css";

type Section = "/runs" | "/models" | "/review" | "/data/documents" | "/operations" | "/admin";

const SECTIONS: readonly {
  to: Section;
  root: string;
  key: "runs" | "models" | "review" | "data" | "operations" | "admin";
  keys: string;
  icon: ComponentType<{ size?: number }>;
}[] = [
  { to: "/runs", root: "/runs", key: "runs", keys: "g r", icon: IconPlayerPlay },
  { to: "/models", root: "/models", key: "models", keys: "g m", icon: IconBox },
  { to: "/review", root: "/review", key: "review", keys: "g v", icon: IconChecklist },
  { to: "/data/documents", root: "/data", key: "data", keys: "g d", icon: IconDatabase },
  { to: "/operations", root: "/operations", key: "operations", keys: "g o", icon: IconActivity },
];
const ADMIN_SECTION = { to: "/admin", root: "/admin", key: "admin", keys: "g a", icon: IconUserShield } as const;

export function Shell() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const session = useSession();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const href = useRouterState({ select: (state) => state.location.href });
  const [paletteOpened, setPaletteOpened] = useState(false);
  const [helpOpened, setHelpOpened] = useState(false);

  // the session has ended: everything else needs one
  useEffect(() => {
    if (session === null) void navigate({ to: "/sign-in", search: { next: href }, replace: true });
  }, [session, navigate, href]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setPaletteOpened(true);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
    };
  }, []);

  const isAdmin = useCan("admin");
  const sections = isAdmin ? [...SECTIONS, ADMIN_SECTION] : SECTIONS;

  useShortcuts([
    ...sections.map(
      (section): Shortcut => ({ keys: section.keys, label: t(`nav.${section.key}`), run: () => void navigate({ to: section.to }) }),
    ),
    {
      keys: "?",
      label: t("help.title"),
      run: () => {
        setHelpOpened(true);
      },
    },
  ]);

  return (
    <div className={classes["frame"]}>
      <a href="#main" className={classes["skip"]}>
        {t("nav.skip")}
      </a>
      <aside className={classes["rail"]}>
        <Link to="/runs" className={classes["brand"]}>
          <img src="/favicon.svg" width={20} height={20} alt="" />
          <span>Aprendiz</span>
        </Link>
        <button
          type="button"
          className={classes["find"]}
          onClick={() => {
            setPaletteOpened(true);
          }}
        >
          <IconSearch size={15} aria-hidden />
          <span>{t("palette.open")}</span>
          <kbd>Ctrl K</kbd>
        </button>
        <nav aria-label={t("nav.sections")} className={classes["sections"]}>
          {sections.map(({ to, root, key, icon: Icon }) => (
            <Link
              key={to}
              to={to}
              className={classes["section"]}
              data-active={path.startsWith(root)}
              aria-current={path.startsWith(root) ? "page" : undefined}
            >
              <Icon size={17} aria-hidden />
              <span>{t(`nav.${key}`)}</span>
            </Link>
          ))}
        </nav>
        <AccountBar
          onHelp={() => {
            setHelpOpened(true);
          }}
        />
      </aside>
      <main id="main" className={classes["main"]} tabIndex={-1}>
        <ServiceNotice />
        <Outlet />
      </main>
      <CommandPalette
        opened={paletteOpened}
        onClose={() => {
          setPaletteOpened(false);
        }}
      />
      <Modal
        opened={helpOpened}
        onClose={() => {
          setHelpOpened(false);
        }}
        title={t("help.title")}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        <ShortcutList />
      </Modal>
      <Toasts />
    </div>
  );
}

function AccountBar({ onHelp }: { onHelp: () => void }) {
  const { t, i18n } = useTranslation();
  const session = useSession();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const isDark = colorScheme === "dark" || (colorScheme === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: async () => {
      await navigate({ to: "/sign-in" });
      client.clear();
      client.setQueryData(sessionQuery.queryKey, null);
    },
  });
  return (
    <div className={classes["account"]}>
      <Tooltip label={isDark ? t("nav.light") : t("nav.dark")}>
        <ActionIcon
          onClick={() => {
            setColorScheme(isDark ? "light" : "dark");
          }}
          aria-label={isDark ? t("nav.light") : t("nav.dark")}
        >
          {isDark ? <IconSun size={17} /> : <IconMoon size={17} />}
        </ActionIcon>
      </Tooltip>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={t("nav.language")}>
            <IconLanguage size={17} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {LANGUAGES.map((language) => (
            <Menu.Item
              key={language}
              lang={language}
              fw={i18n.language === language ? 600 : 400}
              onClick={() => void chooseLanguage(language)}
            >
              {language === "en" ? "English" : "Português (Brasil)"}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={t("help.title")}>
        <ActionIcon onClick={onHelp} aria-label={t("help.title")} className={classes["wideOnly"]}>
          <IconHelp size={17} />
        </ActionIcon>
      </Tooltip>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={t("nav.account")}>
            <IconUserCircle size={17} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {session !== null && session !== undefined && (
            <Menu.Label>
              {session.actor.name} · {t(`role.${session.actor.role}`)}
            </Menu.Label>
          )}
          <Menu.Item leftSection={<IconDevices size={15} />} onClick={() => void navigate({ to: "/admin" })}>
            {t("nav.sessions")}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconLogout size={15} />}
            onClick={() => {
              leave.mutate();
            }}
          >
            {t("nav.signOut")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

function ShortcutList() {
  const { t } = useTranslation();
  const shortcuts = useRegisteredShortcuts();
  const rows = [{ keys: "Ctrl K", label: t("palette.open") }, ...shortcuts];
  return (
    <table className="plain-table">
      <tbody>
        {rows.map((shortcut) => (
          <tr key={`${shortcut.keys} ${shortcut.label}`}>
            <td>
              {shortcut.keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </td>
            <td>{shortcut.label}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Toasts() {
  const toasts = useToasts();
  return (
    <div className={classes["toasts"]} role="status" aria-live="polite">
      {toasts.map((toast) => (
        <div key={toast.id} className={classes["toast"]}>
          {toast.text}
        </div>
      ))}
    </div>
  );
}
