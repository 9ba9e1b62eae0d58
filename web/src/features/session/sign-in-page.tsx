// Sign-in with an API key, or with the provider of the organisation.
import { Button, Divider, Group, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import { providerLink, providersQuery, sessionQuery, signIn } from "../../api/session";
import { CodeBlock, ErrorNote } from "../../components/page";
import { chooseLanguage, LANGUAGES } from "../../i18n";
import classes from "./sign-in.module.css";

const route = getRouteApi("/sign-in");

export function SignInPage() {
  const { t } = useTranslation();
  const { next } = route.useSearch({ select: searchParams.signIn });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const providers = useQuery(providersQuery).data ?? [];
  const enter = useMutation({
    mutationFn: signIn,
    onSuccess: async (session) => {
      client.setQueryData(sessionQuery.queryKey, session);
      await navigate({ href: next ?? "/runs", replace: true });
    },
  });
  return (
    <main className={classes["frame"]}>
      <title>{`${t("signIn.title")} · Aprendiz`}</title>
      <form
        className={classes["card"]}
        onSubmit={(event) => {
          event.preventDefault();
          enter.mutate(key.trim());
        }}
      >
        <Stack gap="md">
          <Group gap="sm">
            <img src="/favicon.svg" width={28} height={28} alt="" />
            <Title order={1}>Aprendiz</Title>
          </Group>
          {providers.length > 0 && (
            <>
              {providers.map((provider) => (
                <Button key={provider.name} component="a" href={providerLink(provider, next)} size="sm" variant="default">
                  {t("signIn.with", { provider: provider.title })}
                </Button>
              ))}
              <Divider label={t("signIn.or")} />
            </>
          )}
          <PasswordInput
            label={t("signIn.key")}
            description={t("signIn.keyHelp")}
            placeholder="apz_…"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={key}
            onChange={(event) => {
              setKey(event.currentTarget.value);
            }}
            visibilityToggleButtonProps={{ "aria-label": t("signIn.show") }}
          />
          {enter.error !== null && <ErrorNote error={enter.error} />}
          <Button type="submit" size="sm" loading={enter.isPending} disabled={key.trim() === ""}>
            {t("signIn.submit")}
          </Button>
          <div>
            <Text size="xs" c="dimmed" mb={4}>
              {t("signIn.noKey")}
            </Text>
            <CodeBlock code="aprendiz api-key create --name me --role operator" label={t("signIn.command")} />
          </div>
          <Group gap="xs" justify="center">
            {LANGUAGES.map((language) => (
              <Button
                key={language}
                variant="subtle"
                color="gray"
                size="compact-xs"
                lang={language}
                onClick={() => void chooseLanguage(language)}
              >
                {language === "en" ? "English" : "Português (Brasil)"}
              </Button>
            ))}
          </Group>
        </Stack>
      </form>
    </main>
  );
}
